"""What orchestrators and Prometheus ask."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from monitor.metrics import CONTENT_TYPE
from monitor.services import Services
from monitor.serving.cost import cost_per_thousand
from monitor.store import overview
from monitor.web.api.answers import HealthOut
from monitor.web.auth import Reader, services_of

router = APIRouter(tags=["health"])
LATE_WINDOWS = 5
LATE_AT_LEAST_S = 30.0


@router.get("/healthz")
async def healthz() -> HealthOut:
    """The process lives. Needs no thread, so that it answers while all of them wait."""
    return HealthOut(status="ok", detail="")


@router.get("/readyz", responses={503: {"model": HealthOut}})
def readyz(request: Request, response: Response) -> HealthOut:
    """The database answers and ticks are not late; otherwise 503."""
    health = _health(services_of(request))
    if health.status != "ok":
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return health


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request, actor: Reader) -> Response:
    """Everything vigil measures, for Prometheus."""
    services = services_of(request)
    _refresh(services)
    return Response(services.metrics.text(), media_type=CONTENT_TYPE)


def _health(services: Services) -> HealthOut:
    service = services.settings.service
    try:
        with services.sessions() as session:
            last = overview.last_tick_end(session)
    except (SQLAlchemyError, OSError) as error:
        return HealthOut(
            status="away", detail=f"the database can't be used: {type(error).__name__}"
        )
    if last is None:
        return HealthOut(status="ok", detail="no tick ran yet")
    patience_s = service.lateness_s + max(LATE_WINDOWS * service.window_s, LATE_AT_LEAST_S)
    behind = services.clock.now() - last
    if behind > timedelta(seconds=patience_s):
        return HealthOut(
            status="late",
            detail=f"the last tick is {behind.total_seconds():.0f} s old, "
            f"expected at most {patience_s:.0f} s",
        )
    return HealthOut(status="ok", detail="")


def _refresh(services: Services) -> None:
    """Gauges that are read from the database when they are asked for."""
    metrics = services.metrics
    with services.sessions() as session:
        open_now = overview.open_incidents(session)
        metrics.replace("vigil_incidents_open", open_now)
        metrics.gauge("vigil_outbox_waiting", overview.outbox_waiting(session))
        metrics.replace(
            "vigil_source_last_window_timestamp_seconds",
            {
                (row.model, row.deployment, row.source): row.last_window_at.timestamp()
                for row in overview.live_sources(session)
            },
        )
        metrics.replace("vigil_cost_per_thousand", _costs(services, session))
        last = overview.last_tick_end(session)
    if last is not None:
        metrics.gauge("vigil_last_tick_timestamp_seconds", last.timestamp())


def _costs(services: Services, session: Session) -> dict[tuple[str, ...], float]:
    now, window_s = services.clock.now(), services.settings.service.window_s
    found = {
        (one.name, one.deployment): cost_per_thousand(session, one, now=now, window_s=window_s)
        for one in services.settings.models
    }
    return {family: cost for family, cost in found.items() if cost is not None}
