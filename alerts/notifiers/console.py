"""Messages as plain text on a stream: the default, and the fallback when nothing else is set up."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from typing import TextIO

from alerts.notifiers.protocol import Guarantee
from alerts.types import Delivery, DeliveryOutcome, Message, MessageEvent

_WIDTH = 96
_LABEL = 12


class ConsoleNotifier:
    """Args:
    name: as in the settings.
    stream: where to write; standard error where None, looked up at each message.
    """

    guarantee = Guarantee.MAY_REPEAT

    def __init__(self, name: str = "console", *, stream: TextIO | None = None) -> None:
        self.name = name
        self._stream = stream

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        del thread, unclear
        stream = self._stream or sys.stderr
        try:
            stream.write(as_text(message) + "\n")
            stream.flush()
        except (OSError, ValueError) as error:
            return Delivery(outcome=DeliveryOutcome.RETRY, error=f"console: {error}")
        return Delivery(outcome=DeliveryOutcome.DELIVERED, receipt={"message_id": message.id})


def as_text(message: Message) -> str:
    """The message for a terminal or a mail: a headline, then labelled paragraphs."""
    incident = message.incident
    rule = "=" if message.event is MessageEvent.TRIGGER else "-"
    head = _plain(f"[{incident.severity.value.upper()}] {message.headline}")
    if message.event is MessageEvent.UPDATE and message.note:
        return "\n".join([rule * _WIDTH, head, *_paragraph("New", message.note)])
    lines = [rule * _WIDTH, *textwrap.wrap(head, _WIDTH)]
    owner = incident.labels.get("owner", "")
    for label, texts in (
        ("What", message.what),
        ("Where", (message.where,)),
        ("Owner", (owner,) if owner else ()),
        ("Since", (message.since,)),
        ("How sure", (message.how_sure,)),
        ("vigil did", message.done),
        ("vigil will", (message.next,)),
        ("You", (message.todo,)),
        ("Runbook", (message.runbook_url,)),
        ("Incident", (message.incident_url,)),
    ):
        for place, text in enumerate(texts):
            lines += _paragraph(label if place == 0 else "", text)
    return "\n".join(lines)


def _paragraph(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        _plain(text),
        _WIDTH,
        initial_indent=f"{label:<{_LABEL}}",
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(text: str) -> str:
    """Without control characters: metadata must not steer a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)
