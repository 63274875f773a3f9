"""What every notifier does: deliver one message, and tell honestly what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from alerts.types import Delivery, DeliveryOutcome, Message


class Guarantee(StrEnum):
    """What keeps a message from arriving twice. In none is a message lost.

    * ``keyed``: the receiver knows our key and drops repeats.
    * ``reconciled``: we look whether it arrived before we repeat.
    * ``may_repeat``: neither; a repeat carries the same message id.
    """

    KEYED = "keyed"
    RECONCILED = "reconciled"
    MAY_REPEAT = "may_repeat"


class Notifier(Protocol):
    """One receiver. It never raises for what the receiver does, and never shows a secret."""

    @property
    def name(self) -> str:
        """As in the settings."""
        ...

    @property
    def guarantee(self) -> Guarantee: ...

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        """One attempt.

        Args:
            message: what to say.
            thread: the receipt of the latest message of this incident that this receiver took;
                empty for the first.
            unclear: an earlier attempt at this message may have arrived. True is always safe.
        """
        ...


@runtime_checkable
class Closable(Protocol):
    """A receiver that holds connections open."""

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A message that a receiver took, with the receipt it gave."""

    message: Message
    receipt: Mapping[str, str]


@runtime_checkable
class Forgetful(Protocol):
    """A receiver that forgets what is not said again, and so ends what still goes on."""

    @property
    def name(self) -> str: ...

    def remind(self, told: Sequence[Told]) -> Delivery:
        """Say again the latest message of each incident, as it was said; nobody is told anew."""
        ...


def delivered(message: Message, **receipt: str) -> Delivery:
    """The receiver has it; ``receipt`` is what its next message of the incident needs."""
    return Delivery(
        outcome=DeliveryOutcome.DELIVERED, receipt={"message_id": message.id, **receipt}
    )
