"""Panels as Grafana 11 reads them: plain dictionaries, one function per kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24


Steps = Sequence[tuple[float | None, str]]
Query = tuple[str, str]
"""How its series are named (empty: by their labels), and the PromQL expression."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """``steps``: from which value on which colour; the first starts at minus infinity."""

    kind: Literal["stat", "timeseries", "table"]
    title: str
    about: str
    queries: Sequence[Query]
    width: int
    height: int = 8
    unit: str = "short"
    steps: Steps = ((None, "text"),)
    stacked: bool = False
    log_base: int | None = None
    line_at: float | None = None


def stat(title: str, about: str, *queries: Query, width: int, **look: Any) -> Panel:
    """One large number; ``look``: the further fields of a panel."""
    return Panel(kind="stat", title=title, about=about, queries=queries, width=width, **look)


def lines(title: str, about: str, *queries: Query, width: int, **look: Any) -> Panel:
    """Lines over time; ``look``: the further fields of a panel."""
    return Panel(kind="timeseries", title=title, about=about, queries=queries, width=width, **look)


def table(title: str, about: str, *queries: Query, width: int, **look: Any) -> Panel:
    """A row for each series as it is now; ``look``: the further fields of a panel."""
    return Panel(kind="table", title=title, about=about, queries=queries, width=width, **look)


def as_json(panel: Panel, *, panel_id: int, x: int, y: int) -> Json:
    """The panel at a place of the grid."""
    return {
        "id": panel_id,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y},
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "datasource": DATASOURCE,
                "expr": expr,
                "legendFormat": legend or "__auto",
                "instant": panel.kind == "table",
                "range": panel.kind != "table",
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for i, (legend, expr) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _defaults(panel: Panel) -> Json:
    steps = list(panel.steps)
    if panel.line_at is not None:
        steps = [(None, "text"), (panel.line_at, "red")]
    defaults: Json = {
        "unit": panel.unit,
        "min": None if panel.log_base else 0,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in steps],
        },
        "mappings": [],
    }
    if panel.kind == "timeseries":
        scale: Json = (
            {"type": "log", "log": panel.log_base} if panel.log_base else {"type": "linear"}
        )
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 6,
            "showPoints": "never",
            "spanNulls": False,
            "scaleDistribution": scale,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "off" if panel.line_at is None else "dashed"},
        }
    return defaults


def _options(panel: Panel) -> Json:
    if panel.kind == "stat":
        return {
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    if panel.kind == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def row(title: str, *, panel_id: int, y: int) -> Json:
    return {
        "id": panel_id,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
        "panels": [],
    }


def laid_out(sections: Sequence[tuple[str, Sequence[Panel]]]) -> list[Json]:
    """Sections of panels on Grafana's grid of 24 columns, from left to right."""
    out: list[Json] = []
    y = 0
    for title, panels in sections:
        out.append(row(title, panel_id=len(out) + 1, y=y))
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            out.append(as_json(panel, panel_id=len(out) + 1, x=x, y=y))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return out
