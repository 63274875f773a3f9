"""Slack: one message an incident, kept up to date; what happens goes into its thread.

Slack has no idempotency key, so an attempt without an answer is *unclear*, and before it is
repeated the channel's history (or the thread) is searched for our id in the message's metadata.
``channel`` should be an id (C...): Slack's history does not take names, and then an unclear
message may repeat.

Needs the scopes ``chat:write`` and ``channels:history`` (``groups:history`` for a private channel).
"""

from __future__ import annotations

import logging
import re
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError

from alerts.notifiers.protocol import Guarantee, delivered
from alerts.notifiers.slack_blocks import render
from alerts.notifiers.slack_blocks import reply as reply_of
from alerts.notifiers.slack_client import StraightClient
from alerts.types import Delivery, DeliveryOutcome, Message, MessageEvent

METADATA_EVENT = "vigil_message"
_QUIET = logging.getLogger("alerts.slack_sdk")  # it logs whole answers; what they say we return
_QUIET.setLevel(logging.CRITICAL + 1)
_RETRIED = {"ratelimited", "rate_limited", "service_unavailable", "team_added_to_org"}
_UNCLEAR = {"internal_error", "fatal_error", "request_timeout"}
_CODE = re.compile(r"[a-z0-9_]{1,100}")
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}


class SlackNotifier:
    """Args:
    name: as in the settings.
    token: a bot's; never shown.
    channel: its id.
    url: of the API.
    timeout_s: for one request.
    interactive: whether messages have buttons; only where presses of them can be checked.
    """

    guarantee = Guarantee.RECONCILED

    def __init__(
        self,
        name: str,
        *,
        token: str,
        channel: str,
        url: str = "https://slack.com/api/",
        timeout_s: int = 10,
        interactive: bool = False,
    ) -> None:
        self.name = name
        self._channel = channel
        self._interactive = interactive
        # Its own handlers would sleep in our thread; the outbox decides when to try again.
        self._client = StraightClient(
            token=token,
            base_url=url if url.endswith("/") else url + "/",
            timeout=timeout_s,
            retry_handlers=[],
            logger=_QUIET,
        )

    def __repr__(self) -> str:
        return f"SlackNotifier({self.name!r}, channel={self._channel!r})"

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        try:
            if not thread.get("ts") or message.event is MessageEvent.TEST:
                return self._first(message, unclear)
            return self._follow(message, thread, unclear)
        except SlackApiError as error:
            return self._hidden(judged_answer(error))
        except (SlackClientError, urllib.error.URLError, OSError) as error:
            return judged_silence(error)

    def _hidden(self, delivery: Delivery) -> Delivery:
        """Whoever answers may repeat what it was sent: a proxy, say."""
        shown = delivery.error.replace(str(self._client.token), "(token)")[:300]
        return replace(delivery, error=shown)

    def _first(self, message: Message, unclear: bool) -> Delivery:
        if unclear:
            ts = self._look(self._client.conversations_history, message, channel=self._channel)
            if ts is not None:
                return delivered(message, channel=self._channel, ts=ts, found="true")
        answer = self._client.chat_postMessage(
            channel=self._channel,
            metadata=_metadata(message),
            unfurl_links=False,
            unfurl_media=False,
            **render(message, interactive=self._interactive),
        )
        return delivered(message, channel=str(answer["channel"]), ts=str(answer["ts"]))

    def _follow(self, message: Message, thread: Mapping[str, str], unclear: bool) -> Delivery:
        channel, ts = thread["channel"], thread["ts"]
        try:
            # Without metadata Slack keeps what the first message carried.
            content = render(message, interactive=self._interactive)
            self._client.chat_update(channel=channel, ts=ts, **content)
        except SlackApiError as error:
            if _code(error) not in _GONE:
                raise
            return self._first(message, unclear)
        # An edited message rings nowhere: what fires again must be said in the channel too.
        rings = message.event is MessageEvent.TRIGGER
        text = reply_of(message)
        if not text:
            return delivered(message, channel=channel, ts=ts)
        reply = None
        if unclear:
            reply = self._look(self._client.conversations_replies, message, channel=channel, ts=ts)
        if reply is None:
            answer = self._client.chat_postMessage(
                channel=channel,
                thread_ts=ts,
                text=text,
                reply_broadcast=rings,
                metadata=_metadata(message),
                unfurl_links=False,
                unfurl_media=False,
            )
            reply = str(answer["ts"])
        return delivered(message, channel=channel, ts=ts, reply_ts=reply)

    def _look(self, method: Callable[..., Any], message: Message, **where: str) -> str | None:
        """The ts under which ``message`` arrived after all; None where it is not there."""
        cursor = ""
        for _ in range(5):
            try:
                answer = method(
                    **where,
                    oldest=f"{message.sent_at.timestamp() - 300:.6f}",
                    include_all_metadata=True,
                    limit=200,
                    cursor=cursor,
                )
            except SlackApiError as error:
                # A name instead of an id, or a missing scope: better said twice than never.
                if _code(error) in ("channel_not_found", "missing_scope", "not_in_channel"):
                    return None
                raise
            for each in answer.get("messages") or []:
                metadata = each.get("metadata") or {}
                payload = metadata.get("event_payload") or {}
                if payload.get("message_id") == message.id:
                    return str(each["ts"])
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return None
        return None


def _metadata(message: Message) -> dict[str, Any]:
    payload = {"message_id": message.id, "incident": message.thread_key}
    return {"event_type": METADATA_EVENT, "event_payload": payload}


def _code(error: SlackApiError) -> str:
    response = error.response
    try:
        code = str(response.get("error") or "")
    except (AttributeError, TypeError, ValueError):
        return ""
    return code if _CODE.fullmatch(code) else ""  # the client puts what is no JSON there


def judged_answer(error: SlackApiError) -> Delivery:
    """Slack answered, though not with ``ok: true``."""
    code = _code(error)
    status = int(getattr(error.response, "status_code", 0) or 0)
    headers = getattr(error.response, "headers", None) or {}
    told = f"slack: {code or f'HTTP {status}'}"
    if status == 429 or code in _RETRIED:
        return Delivery(
            outcome=DeliveryOutcome.RETRY, error=told, retry_after_s=_retry_after(headers)
        )
    if status >= 500 or code in _UNCLEAR or not code:
        return Delivery(outcome=DeliveryOutcome.UNCLEAR, error=told)
    return Delivery(outcome=DeliveryOutcome.FAILED, error=told)


def _retry_after(headers: Mapping[str, Any]) -> float | None:
    for name, value in headers.items():
        if name.lower() == "retry-after":
            first = value[0] if isinstance(value, list) else value
            try:
                return max(0.0, float(first))
            except (TypeError, ValueError):
                return None
    return None


def judged_silence(error: Exception) -> Delivery:
    """No answer. Only a connection that was never made is known to have said nothing."""
    reason = getattr(error, "reason", error)
    told = f"slack: no answer ({type(reason).__name__})"
    if isinstance(error, urllib.error.HTTPError):
        return Delivery(outcome=DeliveryOutcome.UNCLEAR, error=f"slack: HTTP {error.code}")
    never_sent = isinstance(reason, ConnectionRefusedError) or "gaierror" in told
    outcome = DeliveryOutcome.RETRY if never_sent else DeliveryOutcome.UNCLEAR
    return Delivery(outcome=outcome, error=told)
