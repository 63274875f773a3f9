"""The web application: the API, the console and the probes, on one set of services."""

from __future__ import annotations

from importlib import import_module, metadata
from importlib.util import find_spec

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.response.people import Teller
from monitor.services import Services
from monitor.web import errors
from monitor.web.api import (
    actions,
    baselines,
    canaries,
    controls,
    deliveries,
    followups,
    health,
    incidents,
    label_tasks,
    labels,
    releases,
    retrainings,
    silences,
    status,
    verdicts,
    versions,
    windows,
)
from monitor.web.hosts import HostCheck
from monitor.web.inbound import alertmanager as inbound_alertmanager
from monitor.web.inbound import label_studio as inbound_label_studio
from monitor.web.inbound import pagerduty as inbound_pagerduty
from monitor.web.inbound import slack as inbound_slack
from monitor.web.limits import BodyLimit

_CONSOLE = "monitor.web.console.router"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
}


def create_app(services: Services, *, announcer: Teller | None = None) -> FastAPI:
    """The application. ``announcer`` tells the receivers what people do to incidents."""
    app = FastAPI(
        title="vigil",
        version=version(),
        summary="Watches computer-vision models in production.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.announcer = announcer
    errors.install(app)
    for part in (
        windows,
        labels,
        label_tasks,
        releases,
        versions,
        retrainings,
        baselines,
        incidents,
        actions,
        deliveries,
        followups,
        silences,
        status,
        canaries,
        controls,
        verdicts,
        health,
    ):
        app.include_router(part.router)
    for sender in (
        inbound_slack,
        inbound_pagerduty,
        inbound_alertmanager,
        inbound_label_studio,
    ):
        app.include_router(sender.router)
    if find_spec(_CONSOLE) is not None:
        app.include_router(import_module(_CONSOLE).router)
    app.add_middleware(BodyLimit)
    app.add_middleware(HostCheck, service=services.settings.service)
    app.add_middleware(SafeHeaders)
    return app


def version() -> str:
    """The version of vigil that runs."""
    try:
        return metadata.version("vigil-cv")
    except metadata.PackageNotFoundError:
        return "0"


class SafeHeaders:
    """Middleware: tells browsers not to guess, frame, or run what is not ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)
