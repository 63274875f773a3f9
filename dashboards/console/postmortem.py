"""The post-mortem as one page without any outside resource, and its plots as files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup

from dashboards.console import words
from dashboards.console.pages import bare, static
from dashboards.console.plots.timeseries import time_series
from dashboards.console.readmodels import IncidentView, Marker, SignalSeries
from dashboards.console.readmodels.postmortem import PostMortem

_SVG = "<svg "
_ALONE = '<svg xmlns="http://www.w3.org/2000/svg" width="1120" '
_STYLE = (
    "svg{background:#fff;font:10px sans-serif}text{fill:#4b5260}.band{fill:#e7f2ec}"
    ".gridline{stroke:#e0e3e9}.axis{stroke:#6c7482}.tolerance{stroke:#17784a;stroke-dasharray:3 3}"
    ".effect{stroke:#2f62d0;stroke-width:1.6}.mean{stroke:#4b5260}"
    ".reference{stroke:#6c7482;stroke-dasharray:2 2}"
    ".beyond circle{fill:#d8383d}.strip{fill:#eff1f4}.heat1{fill:#f3d9a5}.heat2{fill:#efb65c}"
    ".heat3{fill:#e5773c}.heat4{fill:#d0312f}.mark line{stroke:#7a4cc2;stroke-dasharray:4 2}"
    ".mark-onset line,.mark-detected line{stroke:#c02a2f}.mark-recovered line{stroke:#17784a}"
)


def render_postmortem(found: PostMortem, *, summary: Sequence[str], impact: Sequence[str]) -> str:
    """One HTML page: styles and plots inside it, no script."""
    style = Markup(static("console.css").decode().replace("</", "<\\/"))
    return bare(
        "postmortem.html",
        found=found,
        view=found.incident,
        now=found.exported_at,
        summary=summary,
        impact=impact,
        style=style,
        plots=[(series, plot_of(series, found.incident)) for series in found.incident.series],
    )


def stand_alone_plots(view: IncidentView) -> dict[str, str]:
    """Each plot as an SVG file of its own, by its title."""
    plots = {}
    for series in view.series:
        svg = str(plot_of(series, view)).replace(_SVG, _ALONE, 1)
        head, mark, rest = svg.partition(">")
        title = f"{words.plain(series.signal)} on {series.slice}"
        plots[title] = f"{head}{mark}<style>{_STYLE}</style>{rest}\n"
    return plots


def plot_of(series: SignalSeries, view: IncidentView) -> Markup:
    """One signal over the incident, with its stations marked."""
    start, end = series.points[0].at, series.points[-1].at
    return time_series(
        series, start=start, end=end, markers=_inside(view.markers, start, end), name_markers=True
    )


def _inside(markers: Sequence[Marker], start: datetime, end: datetime) -> list[Marker]:
    return [one for one in markers if start <= one.at <= end]
