"""The overview that goes to Grafana: what is wrong, where, how far along, and is vigil itself well.

``python -m dashboards.grafana.overview`` writes ``overview.json`` anew.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from dashboards.grafana.panels import DATASOURCE, Json, laid_out
from dashboards.grafana.sections import OF_MODEL, SECTIONS

UID = "vigil-overview"

_MARKS: Json = {
    "name": "Releases, rollbacks, incidents",
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": False,
    "iconColor": "orange",
    "target": {"type": "tags", "tags": ["vigil"], "matchAny": True, "limit": 200},
}
"""What the service draws where ``grafana.annotations`` is on."""


def overview() -> Json:
    """The dashboard, as ``POST /api/dashboards/db`` takes it under ``dashboard``."""
    return {
        "uid": UID,
        "title": "vigil: models in production",
        "description": "What is wrong with the vision models, where, and since when.",
        "tags": ["vigil"],
        "schemaVersion": 39,
        "version": 0,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "annotations": {"list": [_MARKS]},
        "links": [],
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "type": "datasource",
                    "label": "Data source",
                    "query": "prometheus",
                    "current": {},
                    "hide": 0,
                },
                _variable("model", "vigil_inferences_total", "Model"),
                _variable("deployment", "vigil_inferences_total", "Deployment"),
                _variable("slice", f"vigil_signal_effect{{{OF_MODEL}}}", "Slice"),
                _variable("signal", f"vigil_signal_effect{{{OF_MODEL}}}", "Signal"),
            ]
        },
        "panels": laid_out(SECTIONS),
    }


def stored() -> Json:
    """The dashboard as it lies in the package."""
    text = resources.files("dashboards.grafana").joinpath("overview.json").read_text("utf-8")
    found: Json = json.loads(text)
    return found


def as_text() -> str:
    return json.dumps(overview(), indent=2, ensure_ascii=False) + "\n"


def _variable(name: str, metric: str, label: str) -> Json:
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": DATASOURCE,
        "query": {"query": f"label_values({metric}, {name})", "refId": name},
        "definition": f"label_values({metric}, {name})",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
        "hide": 0,
    }


if __name__ == "__main__":
    Path(__file__).with_name("overview.json").write_text(as_text(), encoding="utf-8")
