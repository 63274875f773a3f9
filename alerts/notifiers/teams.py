"""Microsoft Teams: an Adaptive Card through a Workflows webhook.

A workflow gives nothing back: each event is a card of its own, and a repeat shows as one, under the
same id in its last line. Texts go into ``RichTextBlock``, in which no Markdown is read and nobody
can be mentioned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from alerts.notifiers import parts
from alerts.notifiers.fit import clip, shrunk
from alerts.notifiers.http import TIMEOUT_S, ReceiverHttp
from alerts.notifiers.http_notifier import HttpNotifier
from alerts.notifiers.protocol import Guarantee, delivered
from alerts.notifiers.secrecy import Hidden
from alerts.types import Delivery, DeliveryOutcome, Message, MessageEvent, Severity

MAX_BYTES = 28 * 1024
_TITLE = 300
_COLOUR = {
    Severity.CRITICAL: "Attention",
    Severity.ERROR: "Attention",
    Severity.WARNING: "Warning",
    Severity.INFO: "Default",
}


class TeamsNotifier(HttpNotifier):
    """Args:
    name: as in the settings.
    url: of the workflow; a secret, never shown.
    timeout_s: for connecting, and for each silence.
    """

    guarantee = Guarantee.MAY_REPEAT

    def __init__(self, name: str, *, url: str, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__(name, ReceiverHttp("teams", hidden=Hidden(url), timeout_s=timeout_s))
        self._url = url

    def _deliver(self, message: Message, thread: Mapping[str, str], unclear: bool) -> Delivery:
        del thread, unclear
        if parts.is_silent(message):
            return delivered(message, sent="nothing: no news")
        answer = self._http.send("POST", self._url, content=card_bytes(message))
        if answer.is_page:
            raise self._http.stopped(DeliveryOutcome.UNCLEAR, "a page answered, not the workflow")
        return delivered(message, sent=message.event.value)


def card_bytes(message: Message) -> bytes:
    """The body, at most 28 KB: texts are cut shorter until it fits."""
    return shrunk(lambda limit: _encoded(message, limit), len, MAX_BYTES)


def _encoded(message: Message, limit: int) -> bytes:
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": _card(message, limit),
    }
    body = {"type": "message", "attachments": [attachment]}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _card(message: Message, limit: int) -> dict[str, Any]:
    calm = message.event is MessageEvent.RESOLVE
    colour = "Good" if calm else _COLOUR[message.incident.severity]
    body = [_text(clip(parts.title(message), _TITLE), size="Large", weight="Bolder", color=colour)]
    told = parts.news(message)
    if told:
        body.append(_text(clip(told, limit)))
    else:
        for part in parts.parts(message):
            body.append(_text(part.label, weight="Bolder", spacing="Medium"))
            body += [_text(clip(text, limit), spacing="None") for text in part.texts]
    body.append(_text(parts.mark(message), size="Small", isSubtle=True))
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": [
            {"type": "Action.OpenUrl", "title": clip(link.text, 60), "url": link.href}
            for link in parts.links(message)
        ],
    }


def _text(text: str, *, spacing: str = "Default", **style: Any) -> dict[str, Any]:
    run = {"type": "TextRun", "text": text, **style}
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": [run]}
