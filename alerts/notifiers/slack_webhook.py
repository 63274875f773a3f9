"""Slack through an incoming webhook: the simple form, without a bot.

A webhook gives nothing back, so nothing can be edited, put into a thread or looked for: each event
is a message of its own, and a repeat shows as one, under the same id in its last line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alerts.notifiers import parts
from alerts.notifiers.fit import clip
from alerts.notifiers.http import TIMEOUT_S, Answer, ReceiverHttp
from alerts.notifiers.http_notifier import HttpNotifier
from alerts.notifiers.protocol import Guarantee, delivered
from alerts.notifiers.secrecy import Hidden
from alerts.notifiers.slack_blocks import FIELD, SECTION, escape, render
from alerts.types import Delivery, DeliveryOutcome, Message

_LATER = ("ratelimited", "rate_limited", "rollup_error", "service_unavailable")


class SlackWebhookNotifier(HttpNotifier):
    """Args:
    name: as in the settings.
    url: of the webhook; a secret, never shown.
    timeout_s: for connecting, and for each silence.
    """

    guarantee = Guarantee.MAY_REPEAT

    def __init__(self, name: str, *, url: str, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__(
            name, ReceiverHttp("slack-webhook", hidden=Hidden(url), timeout_s=timeout_s)
        )
        self._url = url

    def _deliver(self, message: Message, thread: Mapping[str, str], unclear: bool) -> Delivery:
        del thread, unclear
        if parts.is_silent(message):
            return delivered(message, sent="nothing: no news")
        self._judge(self._http.send("POST", self._url, rendered(message), good=(200,)))
        return delivered(message, sent=message.event.value)

    def _judge(self, answer: Answer) -> None:
        """Slack says ``ok``; whoever else answers 200 is not Slack.

        Raises:
            NotDelivered: it said anything else.
        """
        said = answer.object()
        if answer.text.strip() == "ok" or said.get("ok") is True:
            return
        if "ok" not in said:
            raise self._http.stopped(DeliveryOutcome.UNCLEAR, "HTTP 200, yet not Slack's answer")
        code = str(said.get("error") or "no reason given")
        outcome = DeliveryOutcome.RETRY if code in _LATER else DeliveryOutcome.FAILED
        raise self._http.stopped(outcome, code)


def rendered(message: Message) -> dict[str, Any]:
    """The body: the whole page, or for an update only what is new."""
    told = parts.news(message)
    marked = _context(escape(parts.mark(message)))
    if not told:
        whole = render(message)
        (body,) = whole["attachments"]
        return {**whole, "attachments": [{**body, "blocks": [*body["blocks"], marked]}]}
    about = escape(clip(parts.title(message), FIELD))
    news = {"type": "mrkdwn", "text": clip(escape(told), SECTION)}
    where = f"<{message.incident_url}|Incident {message.incident.id}>"
    section = {"type": "section", "text": news}
    return {"text": news["text"], "blocks": [section, _context(about), _context(where), marked]}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": clip(text, FIELD)}]}
