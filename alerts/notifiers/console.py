"""Messages as plain text on a stream: the default, and the fallback when nothing else is set up."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from typing import TextIO

from alerts.notifiers.fit import plain
from alerts.notifiers.parts import parts, title
from alerts.notifiers.protocol import Guarantee, delivered
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
        return delivered(message)


def as_text(message: Message) -> str:
    """The message for a terminal or a mail: a headline, then labelled paragraphs."""
    rule = "=" if message.event is MessageEvent.TRIGGER else "-"
    if message.event is MessageEvent.UPDATE and message.note:
        return "\n".join([rule * _WIDTH, title(message), *_paragraph("New", message.note)])
    lines = [rule * _WIDTH, *textwrap.wrap(title(message), _WIDTH)]
    for part in parts(message):
        for place, text in enumerate(part.texts):
            lines += _paragraph(part.short if place == 0 else "", text)
    lines += _paragraph("Runbook", message.runbook_url)
    lines += _paragraph("Incident", message.incident_url)
    return "\n".join(lines)


def _paragraph(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        plain(text),
        _WIDTH,
        initial_indent=f"{label:<{_LABEL}}",
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
