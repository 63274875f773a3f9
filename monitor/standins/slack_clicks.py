"""Presses of buttons, as Slack sends them: signed, with an address for an answer to the presser."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx

from monitor.standins.reply import Reply, Request, as_json
from vigil.clock import Clock

_USES, _LIFE = 5, timedelta(minutes=30)
_TIMEOUT_S = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Interactivity:
    """Where the app takes presses (its *request URL*), and the secret they are signed with."""

    url: str
    signing_secret: str


@dataclass(kw_only=True, slots=True)
class _Answerable:
    user: str
    ends: datetime
    uses: int = 0


class Clicks:
    """``base`` is the address of the stand-ins, where answers come back to.

    Args:
        clock: dates presses.
    """

    def __init__(self, clock: Clock) -> None:
        self.interactivity: Interactivity | None = None
        self.base = ""
        self.answers: list[dict[str, str]] = []
        self.timed_out = 0
        self._clock = clock
        self._open: dict[str, _Answerable] = {}
        self._count = 0
        self._lock = threading.Lock()

    def signed(self, payload: dict[str, Any] | str) -> tuple[bytes, dict[str, str]]:
        """The body and the headers of a request with this payload."""
        assert self.interactivity is not None, "no interactivity is set up"
        text = payload if isinstance(payload, str) else json.dumps(payload)
        body = urlencode({"payload": text}).encode()
        timestamp = str(int(self._clock.now().timestamp()))
        secret = self.interactivity.signing_secret.encode()
        right = hmac.new(secret, f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
        return body, {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"v0={right}",
        }

    def payload(
        self, message: dict[str, Any], action_id: str, *, user: str, name: str
    ) -> dict[str, Any]:
        """What Slack sends when ``user`` presses a button of a message.

        Raises:
            LookupError: the message has no such button.
        """
        button = {each["action_id"]: each for each in self.buttons(message)}[action_id]
        with self._lock:
            self._count += 1
            number = self._count
            self._open[str(number)] = _Answerable(user=user, ends=self._clock.now() + _LIFE)
        return {
            "type": "block_actions",
            "api_app_id": "A0STANDIN",
            "team": {"id": "T0STANDIN", "domain": "stand-in"},
            "user": {"id": user, "username": name, "name": name, "team_id": "T0STANDIN"},
            "trigger_id": f"{number}.{number}",
            "channel": {"id": message["channel"], "name": message["channel_name"]},
            "container": {"type": "message", "message_ts": message["ts"]},
            "message": {"ts": message["ts"], "text": message.get("text", "")},
            "response_url": f"{self.base}/slack/response/{number}",
            "actions": [
                {
                    "type": "button",
                    "action_id": action_id,
                    "block_id": "actions",
                    "text": button["text"],
                    "value": button["value"],
                    "action_ts": f"{self._clock.now().timestamp():.6f}",
                }
            ],
        }

    def click(self, message: dict[str, Any], action_id: str, *, user: str, name: str) -> int:
        """Press a button; the status that came back. Slack gives up after three seconds.

        Raises:
            LookupError: the message has no such button.
        """
        body, headers = self.signed(self.payload(message, action_id, user=user, name=name))
        assert self.interactivity is not None
        try:
            reply = httpx.post(
                self.interactivity.url, content=body, headers=headers, timeout=_TIMEOUT_S
            )
        except httpx.TimeoutException:
            self.timed_out += 1
            return 504
        return reply.status_code

    def answer(self, request: Request, number: str) -> Reply:
        """What comes back for the presser alone: five times in half an hour."""
        with self._lock:
            known, plain = self._open.get(number), request.json()
            if known is None or self._clock.now() > known.ends or known.uses >= _USES:
                return as_json({"ok": False, "error": "expired_url"}, 404)
            if plain is None or not isinstance(plain.get("text"), str):
                return as_json({"ok": False, "error": "invalid_payload"}, 400)
            if plain.get("response_type") != "ephemeral" or plain.get("replace_original"):
                return as_json({"ok": False, "error": "expected an ephemeral answer"}, 400)
            known.uses += 1
            self.answers.append({"user": known.user, "text": plain["text"]})
        return as_json({"ok": True})

    @staticmethod
    def buttons(message: dict[str, Any]) -> list[dict[str, Any]]:
        """The buttons of a message as it stands."""
        groups = [message, *(message.get("attachments") or [])]
        blocks = [block for group in groups for block in group.get("blocks") or []]
        rows = [block for block in blocks if block.get("type") == "actions"]
        return [element for row in rows for element in row["elements"]]
