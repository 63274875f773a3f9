"""Labelled records, tasks and annotations as plain values: what the statistics are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vigil.types import WHOLE, Slice


class Drawn(StrEnum):
    """How a record came to its label.

    * ``daily``: drawn at random from traffic. ``incident``: drawn at random from an incident's.
    * ``arrived``: nobody picked it; its label came by itself.
    * ``chosen``: picked for its score, or a gold item: it stands for nothing but itself.
    """

    DAILY = "daily"
    INCIDENT = "incident"
    ARRIVED = "arrived"
    CHOSEN = "chosen"


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledRecord:
    """One prediction with its label; ``label`` may be -1, none of the model's classes.

    ``inclusion``: with which probability it was drawn, 1 where it was not. ``population``: the
    traffic that it was drawn from. ``top``: classes with their probabilities, where they are known.
    ``confidence`` is 0 where it is not known.
    """

    record_id: str
    version: str
    cell: Mapping[str, str]
    prediction: int
    confidence: float
    label: int
    predicted_at: datetime
    arrived_at: datetime
    author: str = ""
    drawn: Drawn = Drawn.ARRIVED
    inclusion: float = 1.0
    population: Slice = WHOLE
    top: tuple[tuple[int, float], ...] = ()
    incident_id: int | None = None

    @property
    def is_right(self) -> bool:
        return self.prediction == self.label

    def is_in(self, piece: Slice) -> bool:
        """Whether the record belongs to a slice."""
        return all(self.cell.get(key) == value for key, value in piece.pairs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What one labeller said of one record in one task."""

    task_id: int
    record_id: str
    author: str
    label: int
    at: datetime
    lead_time_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskState:
    """Where a task stands. ``gold_label`` is None where its label is not known beforehand."""

    task_id: int
    record_id: str
    state: str
    drawn: Drawn
    slice: str
    picked_at: datetime
    queued_at: datetime | None = None
    labelled_at: datetime | None = None
    gold_label: int | None = None
