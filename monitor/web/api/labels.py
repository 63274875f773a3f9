"""Labels in, late and by id."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from monitor.ingest.receipts import LabelIn
from monitor.web.api.answers import LabelReceiptOut, LabelReceiptsOut
from monitor.web.auth import Sender, services_of

router = APIRouter(prefix="/v1", tags=["collectors"])


class Label(BaseModel):
    """A label by record id; with ``prediction`` it needs no ledger, but model and version."""

    model_config = ConfigDict(extra="forbid")
    id: str
    label: int
    author: str = ""
    model: str | None = None
    version: str | None = None
    deployment: str = "production"
    prediction: int | None = None
    confidence: float | None = None
    metadata: dict[str, str] | None = None


class Labels(BaseModel):
    model_config = ConfigDict(extra="forbid")
    labels: Annotated[list[Label], Field(max_length=50_000)]


@router.post("/labels")
def send_labels(request: Request, actor: Sender, body: Labels) -> LabelReceiptsOut:
    """Join labels to their predictions; one receipt for each, in order."""
    receipts = services_of(request).ingest.labels(
        [
            LabelIn(**{**label.model_dump(), "author": label.author or actor.name})
            for label in body.labels
        ]
    )
    return LabelReceiptsOut(
        receipts=[
            LabelReceiptOut(id=one.id, status=one.status, reason=one.reason) for one in receipts
        ]
    )
