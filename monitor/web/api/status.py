"""The state of the service and of what it watches, at a glance."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, FastAPI, Request

from monitor import leases
from monitor.store import overview, switches
from monitor.web.api.answers import ConfigurationOut, ModelOut, RejectionOut, StatusOut
from monitor.web.auth import Reader, services_of

router = APIRouter(prefix="/v1", tags=["reading"])


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, actor: Reader) -> dict[str, Any]:
    """The schema of this API."""
    app: FastAPI = request.app
    return app.openapi()


@router.get("/models")
def list_models(request: Request, actor: Reader) -> list[ModelOut]:
    """The models of the configuration, and those that windows came from."""
    services = services_of(request)
    watched = {(model.name, model.deployment): model for model in services.settings.models}
    with services.sessions() as session:
        seen = {(one.model, one.deployment): one for one in overview.models_seen(session)}
        incidents: Counter[tuple[str, str]] = Counter()
        for (model, deployment, _), count in overview.open_incidents(session).items():
            incidents[model, deployment] += int(count)
    found = []
    for name, deployment in sorted({*watched, *seen}):
        settings, one = watched.get((name, deployment)), seen.get((name, deployment))
        found.append(
            ModelOut(
                name=name,
                deployment=deployment,
                owner=settings.owner if settings else "",
                version=one.version if one else None,
                verified=one.verified if one else False,
                last_window_at=one.last_window_at if one else None,
                sources=one.sources if one else 0,
                open_incidents=incidents[name, deployment],
            )
        )
    return found


@router.get("/status")
def get_status(request: Request, actor: Reader) -> StatusOut:
    """Whether ticks run, what waits, what is open, and what was refused in the last day."""
    services = services_of(request)
    now = services.clock.now()
    file = services.config.state() if services.config else None
    with services.sessions() as session:
        return StatusOut(
            version=request.app.version,
            started_at=services.started_at,
            now=now,
            database=services.engine.dialect.name,
            threshold_ticks=services.settings.threshold_ticks,
            last_tick_at=overview.last_tick_end(session),
            windows_waiting=overview.windows_waiting(session),
            incidents_open=int(sum(overview.open_incidents(session).values())),
            outbox_waiting=overview.outbox_waiting(session),
            actions_stopped=switches.is_on(session, switches.ACTIONS_STOPPED),
            leader=leases.holder(session, leases.SCHEDULER, now=now),
            configuration=(
                ConfigurationOut(state=file.edit.value, problems=list(file.problems))
                if file
                else None
            ),
            rejections=[
                RejectionOut.model_validate(row)
                for row in overview.rejections_since(session, now - timedelta(days=1))
            ],
        )
