"""Windows in, rulers out: what collectors talk to."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from monitor.store import baselines
from monitor.store.tables import WindowRow
from monitor.web.api.answers import ReceiptOut, ReceiptsOut, WindowOut
from monitor.web.auth import Reader, RulerReader, Sender, services_of
from vigil.shipping.transport import POLICY_HEADER
from vigil.windows import wire

router = APIRouter(prefix="/v1", tags=["collectors"])
_BINARY: dict[str, Any] = {"content": {"application/octet-stream": {}}}


@router.post(
    "/windows",
    openapi_extra={"requestBody": {**_BINARY, "required": True}},
    responses={400: {"description": "The framing is damaged."}, 413: {}, 503: {}},
)
async def send_windows(request: Request, actor: Sender) -> ReceiptsOut:
    """Take in windows, framed by ``vigil.windows.wire.join``; one receipt for each, in order.

    A window that is refused is not sent again; on 503 nothing was stored.
    """
    blobs = wire.split(await request.body())
    services = services_of(request)
    receipts = await run_in_threadpool(services.ingest.windows, blobs)
    return ReceiptsOut(
        receipts=[
            ReceiptOut(
                source=one.source,
                boot=one.boot,
                sequence=one.sequence,
                status=one.status,
                reason=one.reason,
            )
            for one in receipts
        ]
    )


@router.get("/rulers/{model}/{version:path}", responses={200: _BINARY, 404: {}})
def get_ruler(request: Request, actor: RulerReader, model: str, version: str) -> Response:
    """The ruler of a version's active baseline; 404: the version has no baseline.

    The header ``Vigil-Privacy`` says what a tap of the model must keep to, either way.
    """
    services = services_of(request)
    headers = {POLICY_HEADER: json.dumps(services.settings.policy(model).to_json())}
    with services.sessions() as session:
        ruler = baselines.active_ruler(session, model, version)
    if ruler is None:
        raise HTTPException(404, f"{model}@{version}: it has no baseline", headers=headers)
    headers["ETag"] = f'"{ruler.id}"'
    return Response(ruler.to_bytes(), media_type="application/octet-stream", headers=headers)


@router.get("/windows", tags=["reading"])
def list_windows(
    request: Request,
    actor: Reader,
    model: str | None = None,
    deployment: str | None = None,
    version: str | None = None,
    source: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[WindowOut]:
    """What came in, newest first, without the counts."""
    query = select(WindowRow).order_by(WindowRow.end_at.desc(), WindowRow.id.desc()).limit(limit)
    for column, value in (
        (WindowRow.model, model),
        (WindowRow.deployment, deployment),
        (WindowRow.version, version),
        (WindowRow.source, source),
    ):
        if value is not None:
            query = query.where(column == value)
    if since is not None:
        query = query.where(WindowRow.end_at > aware(since, "since"))
    if until is not None:
        query = query.where(WindowRow.end_at <= aware(until, "until"))
    with services_of(request).sessions() as session:
        return [WindowOut.model_validate(row) for row in session.scalars(query)]


def aware(moment: datetime, name: str) -> datetime:
    """A time from a query, which must say its zone."""
    if moment.tzinfo is None:
        raise HTTPException(422, f"{name}: expected a time with a zone, found {moment.isoformat()}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise HTTPException(
            422, f"{name}: expected a time from year 1 to 9999 in UTC, found {moment.isoformat()}"
        ) from None
