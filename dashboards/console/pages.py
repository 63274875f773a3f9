"""Read models in, pages out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dashboards.console import words
from dashboards.console.auditview import AuditView
from dashboards.console.deliveriesview import DeliveriesView
from dashboards.console.labelsview import LabelsView
from dashboards.console.plots.embedding import embedding_map
from dashboards.console.plots.histogram import class_bars, histogram
from dashboards.console.plots.lanes import lanes
from dashboards.console.plots.reliability import reliability_diagram
from dashboards.console.plots.sparkline import sparkline
from dashboards.console.plots.timeseries import time_series
from dashboards.console.qualityview import QualityView
from dashboards.console.readmodels import (
    Chrome,
    FleetView,
    FollowupLine,
    IncidentLine,
    IncidentView,
    ModelView,
    RunbookView,
)
from dashboards.console.releasesview import ReleasesView
from dashboards.console.routesview import RoutesView
from dashboards.console.silencesview import SilencesView
from dashboards.console.versionsview import VersionsView

STATIC = {"console.css": "text/css; charset=utf-8", "console.js": "text/javascript; charset=utf-8"}
SPANS = {"15m": 900, "1h": 3600, "6h": 21600, "1d": 86400, "7d": 604800}


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dashboards.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": words.plain,
        "duration": words.duration,
        "clock": words.clock,
        "stamp": words.stamp,
        "number": words.number,
        "count": words.count,
        "share": words.share,
        "times": words.times,
    }
    environment.globals |= {
        "ago": words.ago,
        "heat": words.heat,
        "spans": tuple(SPANS),
        "sparkline": sparkline,
        "time_series": time_series,
        "histogram": histogram,
        "class_bars": class_bars,
        "embedding_map": embedding_map,
        "reliability_diagram": reliability_diagram,
        "lanes": lanes,
    }
    return environment


_ENVIRONMENT = _environment()


def static(name: str) -> bytes:
    """A style sheet or script of the console.

    Raises:
        KeyError: not one of ``STATIC``.
    """
    if name not in STATIC:
        raise KeyError(name)
    return (resources.files("dashboards.console") / "static" / name).read_bytes()


def bare(template: str, **values: object) -> str:
    """A page that stands alone: nothing of the console surrounds it."""
    return _ENVIRONMENT.get_template(template).render(**values)


def render_fleet(view: FleetView, chrome: Chrome) -> str:
    return _render("fleet.html", chrome, view=view)


def render_model(view: ModelView, chrome: Chrome) -> str:
    return _render("model.html", chrome, view=view)


def render_incidents(
    lines: Sequence[IncidentLine], chrome: Chrome, *, state: str, page: int, more: bool
) -> str:
    return _render("incidents.html", chrome, lines=lines, state=state, page=page, more=more)


def render_incident(view: IncidentView, chrome: Chrome) -> str:
    return _render("incident.html", chrome, view=view)


def render_runbooks(pages: Sequence[RunbookView], chrome: Chrome) -> str:
    return _render("runbooks.html", chrome, pages=pages)


def render_runbook(page: RunbookView, chrome: Chrome) -> str:
    return _render("runbook.html", chrome, page=page)


def render_tick(
    chrome: Chrome,
    *,
    incident_id: int,
    runbook: str,
    step: int,
    actor: str,
    at: datetime | None,
    then: str,
) -> Markup:
    """The mark at a step of a runbook: who did it and when, or a button to say so."""
    return Markup(
        _render(
            "tick.html",
            chrome,
            incident_id=incident_id,
            runbook=runbook,
            step=step,
            actor=actor,
            at=at,
            then=then,
        )
    )


def render_followups(lines: Sequence[FollowupLine], chrome: Chrome, *, state: str) -> str:
    return _render("followups.html", chrome, lines=lines, state=state)


def render_audit(view: AuditView, chrome: Chrome) -> str:
    return _render("audit.html", chrome, view=view)


def render_routes(view: RoutesView, chrome: Chrome) -> str:
    return _render("routes.html", chrome, view=view)


def render_deliveries(view: DeliveriesView, chrome: Chrome) -> str:
    return _render("deliveries.html", chrome, view=view)


def render_silences(view: SilencesView, chrome: Chrome) -> str:
    return _render("silences.html", chrome, view=view)


def render_releases(view: ReleasesView, chrome: Chrome) -> str:
    return _render("releases.html", chrome, view=view)


def render_labels(view: LabelsView, chrome: Chrome) -> str:
    return _render("labels.html", chrome, view=view)


def render_quality(view: QualityView, chrome: Chrome) -> str:
    return _render("quality.html", chrome, view=view)


def render_versions(view: VersionsView, chrome: Chrome) -> str:
    return _render("versions.html", chrome, view=view)


def render_login(chrome: Chrome, *, error: str, then: str) -> str:
    return _render("login.html", chrome, error=error, then=then)


def render_message(chrome: Chrome, *, title: str, text: str) -> str:
    """A page that says one thing: not found, not allowed, someone else was faster."""
    return _render("message.html", chrome, title=title, text=text)


def _render(template: str, chrome: Chrome, **values: object) -> str:
    return _ENVIRONMENT.get_template(template).render(chrome=chrome, now=chrome.now, **values)
