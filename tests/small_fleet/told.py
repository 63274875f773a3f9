"""A notifier that keeps what it was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alerts.notifiers.protocol import Guarantee
from alerts.types import Delivery, DeliveryOutcome, Message


@dataclass
class Notes:
    """A notifier that keeps what it was told; ``answers`` are taken first, then all is well."""

    name: str = "pager"
    guarantee: Guarantee = Guarantee.KEYED
    answers: list[Delivery | BaseException] = field(default_factory=list)
    told: list[tuple[Message, dict[str, str], bool]] = field(default_factory=list)

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        self.told.append((message, dict(thread), unclear))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        receipt = {"message_id": message.id}
        return answer or Delivery(outcome=DeliveryOutcome.DELIVERED, receipt=receipt)

    @property
    def events(self) -> list[str]:
        return [message.event.value for message, _, _ in self.told]
