"""One record that was picked, with all that says why."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Picked:
    """One record for a person to label.

    ``row`` is its place in the sample. ``inclusion`` is the probability with which it was drawn;
    None where it was chosen for its score. ``excess``: how much of the traffic like it is there
    because of the drift; None where nothing was asked about drift. ``gold_label``: its label is
    known, and it is there to check the labellers. ``top`` holds the likeliest classes with their
    probabilities. ``boxes``: left, top, right, bottom, score and class of each that the model drew.
    """

    rank: int
    row: int
    record_id: str
    reason: str
    score: float
    uncertainty: float
    novelty: float
    inclusion: float | None
    version: str
    time_s: float
    prediction: int
    top: tuple[tuple[int, float], ...]
    metadata: dict[str, str]
    uri: str
    excess: float | None = None
    gold_label: int | None = None
    boxes: tuple[tuple[float, ...], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What is written down with the task; the label of a gold item is kept apart."""
        plain = asdict(self)
        plain["top"] = [list(pair) for pair in self.top]
        plain["boxes"] = [list(box) for box in self.boxes]
        del plain["row"], plain["gold_label"]
        if not self.boxes:
            del plain["boxes"]
        return plain
