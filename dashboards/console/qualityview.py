"""The page of a model's quality, its labels and its retrainings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboards.console.readmodels.card import CardSection, CardTable


@dataclass(frozen=True, kw_only=True, slots=True)
class SuspectLine:
    """A record to look at, with every reason why."""

    record_id: str
    slice: str
    version: str
    predicted: str
    confidence: float
    labelled: str
    kinds: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrainingLine:
    """``waits``: for a yes. ``under_way``: it may be withdrawn. ``told``: what came of it.
    ``baseline``: of its version, in words; ``accepts``: it waits for a person to accept it."""

    id: int
    name: str
    state: str
    reason: str
    incident_id: int | None
    at: datetime
    actor: str
    hook: str
    items: int
    dataset: str
    version: str
    told: str
    waits: bool
    under_way: bool
    baseline: str = ""
    accepts: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityView:
    """``span``: one of ``spans``; ``error``: why a form was refused."""

    model: str
    deployment: str
    span: str
    spans: tuple[str, ...]
    sections: tuple[CardSection, ...]
    people: CardTable | None
    suspects: tuple[SuspectLine, ...]
    suspects_more: int
    retrainings: tuple[RetrainingLine, ...]
    can_propose: bool
