"""Labels in, late and by id."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from monitor.ingest.box_labels import MOST_BOXES, BoxLabelIn, LabelledBox
from monitor.ingest.receipts import LabelIn
from monitor.web.api.answers import LabelReceiptOut, LabelReceiptsOut
from monitor.web.auth import Sender, services_of

router = APIRouter(prefix="/v1", tags=["collectors"])


class Box(BaseModel):
    """An object on an image: left, top, right, bottom in shares of its sides, and its class."""

    model_config = ConfigDict(extra="forbid")
    box: tuple[float, float, float, float]
    label: int


class Label(BaseModel):
    """A label by record id; with ``prediction`` it needs no ledger, but model and version. Or
    ``boxes``, all objects on the image (none: an empty list), for a record that was sampled.
    ``also``: other names that the record may have been sent under."""

    model_config = ConfigDict(extra="forbid")
    id: str
    label: int | None = None
    boxes: Annotated[list[Box], Field(max_length=MOST_BOXES)] | None = None
    author: str = ""
    model: str | None = None
    version: str | None = None
    deployment: str = "production"
    prediction: int | None = None
    confidence: float | None = None
    metadata: dict[str, str] | None = None
    also: Annotated[tuple[str, ...], Field(max_length=4)] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> Label:
        if (self.label is None) == (self.boxes is None):
            raise ValueError("expected either label or boxes")
        if self.boxes is not None and self.prediction is not None:
            raise ValueError("boxes are joined to what was sampled: expected no prediction")
        return self


class Labels(BaseModel):
    model_config = ConfigDict(extra="forbid")
    labels: Annotated[list[Label], Field(max_length=50_000)]


@router.post("/labels")
def send_labels(request: Request, actor: Sender, body: Labels) -> LabelReceiptsOut:
    """Join labels to their predictions; one receipt for each, in order."""
    ingest = services_of(request).ingest
    classes, drawn = [], []
    for label in body.labels:
        author = label.author or actor.name
        if label.boxes is None:
            said = label.model_dump(exclude={"boxes"})
            classes.append(LabelIn(**{**said, "author": author}))
        else:
            boxes = tuple(LabelledBox(box=one.box, label=one.label) for one in label.boxes)
            drawn.append(BoxLabelIn(id=label.id, boxes=boxes, author=author, also=label.also))
    of_classes, of_boxes = iter(ingest.labels(classes)), iter(ingest.boxes(drawn))
    receipts = [next(of_classes if one.boxes is None else of_boxes) for one in body.labels]
    return LabelReceiptsOut(
        receipts=[
            LabelReceiptOut(id=one.id, status=one.status, reason=one.reason) for one in receipts
        ]
    )
