"""The Host header must name us: otherwise another site could reach us through a browser.

(DNS rebinding: a name of theirs that suddenly points to 127.0.0.1.)
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.settings.addresses import listen_address
from monitor.settings.schema import Service

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:@/\s]+))(?::[0-9]{1,5})?")
_PROBES = frozenset({"/healthz", "/readyz"})


def host_of(header: str) -> str:
    """The name in a Host header, without the port; empty where it is no host."""
    found = _HOST.fullmatch(header)
    return (found["v6"] or found["name"]).lower() if found else ""


def is_loopback_name(name: str) -> bool:
    """``localhost`` or an address of this machine's loopback."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_allowed(header: str, service: Service) -> bool:
    """Whether a Host header names this service: as it listens, as its URL says, or as allowed."""
    name = host_of(header)
    own = {
        listen_address(service.listen)[0].lower(),
        (urlsplit(service.url).hostname or "").lower(),
        *(allowed.lower() for allowed in service.allowed_hosts),
    }
    return bool(name) and (name in own or is_loopback_name(name))


class HostCheck:
    """Middleware: 421 for a request that is meant for somebody else."""

    def __init__(self, app: ASGIApp, *, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in _PROBES:
            headers = dict(scope["headers"])
            if not is_allowed(headers.get(b"host", b"").decode("latin-1"), self._service):
                answer = PlainTextResponse(
                    "this host name is not ours: name it in service.allowed_hosts", 421
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)
