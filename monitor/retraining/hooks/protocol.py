"""What every hook can do: ask for a training, and tell whether it was asked before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class HookState(StrEnum):
    """How an order stands.

    * ``accepted``: the system has it; it runs, ran or will. ``absent``: the system does not have
      it.
    * ``failed``: refused, or impossible; asking again will not help.
    * ``unclear``: no answer, or not now; it may have been accepted.
    """

    ACCEPTED = "accepted"
    ABSENT = "absent"
    FAILED = "failed"
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True, slots=True)
class HookReport:
    """``receipt``: what leads a person to the run, such as its URL."""

    state: HookState
    text: str
    receipt: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One retraining, as it is asked for. ``id`` is ours, unique over installations, and fit for
    the name of a Kubernetes object."""

    id: str
    model: str
    deployment: str
    reason: str
    dataset: str
    location: str
    items: int
    incident_id: int | None
    asked_at: datetime

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"asked_at": self.asked_at.isoformat()}

    def texts(self) -> dict[str, str]:
        """As parameters that are texts: at most ten, as GitHub takes them."""
        return {
            "vigil_id": self.id,
            "model": self.model,
            "deployment": self.deployment,
            "reason": self.reason[:500],
            "dataset": self.dataset,
            "location": self.location,
            "items": str(self.items),
            "incident": "" if self.incident_id is None else str(self.incident_id),
        }


class RetrainingHook(Protocol):
    """No method raises because the system is away or refuses. Secrets never reach a report."""

    @property
    def kind(self) -> str: ...

    @property
    def is_keyed(self) -> bool:
        """Whether the system itself takes an order of one id once, however often it is sent."""
        ...

    def send(self, order: Order) -> HookReport:
        """Ask for the training. An order that the system has already is accepted."""
        ...

    def look(self, order: Order) -> HookReport:
        """Whether the system has the order; changes nothing."""
        ...

    def close(self) -> None: ...
