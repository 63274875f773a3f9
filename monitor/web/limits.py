"""A request may not be larger than what it is for."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEBIBYTE = 2**20
WINDOWS_LIMIT = 64 * MEBIBYTE
BASELINE_LIMIT = 512 * MEBIBYTE
INBOUND_LIMIT = 1 * MEBIBYTE
ALERTS_LIMIT = 32 * MEBIBYTE
OTHER_LIMIT = 8 * MEBIBYTE


def limit_of(path: str) -> int:
    """The most bytes that a request to this path may have."""
    if path == "/v1/windows":
        return WINDOWS_LIMIT
    if path == "/v1/baselines":
        return BASELINE_LIMIT
    if path == "/v1/inbound/alertmanager":
        return ALERTS_LIMIT
    if path.startswith("/v1/inbound/"):
        return INBOUND_LIMIT
    return OTHER_LIMIT


class BodyLimit:
    """Middleware: 413 for a body beyond its limit, declared or found while reading."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = limit_of(scope["path"])
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit():
            await JSONResponse({"detail": "content-length: expected a number"}, 400)(
                scope, receive, send
            )
            return
        if int(declared) > limit:
            await JSONResponse({"detail": _text(limit)}, 413)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, _text(limit))
            return message

        await self._app(scope, counted, send)


def _text(limit: int) -> str:
    return f"expected at most {limit} bytes"
