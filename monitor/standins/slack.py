"""A stand-in for Slack's Web API: the methods that vigil uses, as strict as the real ones."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from monitor.standins.faults import Faults
from monitor.standins.reply import Reply, Request, as_json
from monitor.standins.slack_clicks import Clicks
from monitor.standins.slack_files import SlackFiles
from monitor.standins.slack_limits import fault_of
from vigil.clock import Clock


@dataclass(kw_only=True)
class SlackMessage:
    """A message in a channel, with its edits counted and its thread."""

    channel: str
    channel_name: str
    ts: str
    content: dict[str, Any]
    edits: int = 0
    edited_ts: str = ""
    replies: list[SlackMessage] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "channel": self.channel,
            "channel_name": self.channel_name,
            "ts": self.ts,
            "edits": self.edits,
            **self.content,
            "replies": [reply.to_json() for reply in self.replies],
        }


class SlackStandIn:
    """Args:
    clock: dates messages.
    token: the only one accepted; any that looks like a bot's where None.
    pace_s: seconds that must pass between two posts to a channel; 0: any pace.
    """

    def __init__(self, clock: Clock, *, token: str | None = None, pace_s: float = 0.0) -> None:
        self.faults = Faults()
        self.messages: list[SlackMessage] = []
        self.refused: list[dict[str, str]] = []
        self.clicks = Clicks(clock)
        self.files = SlackFiles()
        self._clock = clock
        self._token = token
        self._pace_s = pace_s
        self._lock = threading.RLock()
        self._last_ts = 0
        self._last_post: dict[str, float] = {}
        self._methods: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "auth.test": lambda _: {"ok": True, "user": "vigil", "team": "stand-in"},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "files.getUploadURLExternal": lambda one: self.files.address(one, self.clicks.base),
            "files.completeUploadExternal": self._complete,
        }

    def answer(self, request: Request, method: str) -> Reply:
        fault = self.faults.take()
        if fault is not None and fault.status is not None:
            headers = _retry_after(fault.retry_after_s)
            return as_json({"ok": False, "error": fault.error or "fault"}, fault.status, headers)
        if fault is not None and fault.error is not None:
            return as_json({"ok": False, "error": fault.error})
        with self._lock:
            answer = self._call(request, method)
            if not answer["ok"]:
                self.refused.append({"method": method, **{k: str(v) for k, v in answer.items()}})
        if fault is not None and fault.lose_answer:
            return Reply(lost=True)
        if answer.get("error") == "ratelimited":
            return as_json(answer, 429, _retry_after(max(1.0, self._pace_s)))
        return as_json(answer)

    def take_upload(self, request: Request, file_id: str) -> Reply:
        fault = self.faults.take()
        if fault is not None and fault.status is not None:
            return Reply(status=fault.status, body=b"fault", content_type="text/plain")
        reply = self.files.take(request, file_id)
        return Reply(lost=True) if fault is not None and fault.lose_answer else reply

    def click(self, ts: str, action_id: str, *, user: str, name: str = "") -> int:
        """Press a button of a message; the status that the app answered with.

        Raises:
            LookupError: there is no such message, or it has no such button any more.
        """
        with self._lock:
            message = {each.ts: each for each in self.messages}[ts].to_json()
        return self.clicks.click(message, action_id, user=user, name=name or user.lower())

    def _call(self, request: Request, method: str) -> dict[str, Any]:
        bearer = (request.header("Authorization") or "").removeprefix("Bearer ")
        if not bearer:
            return _no("not_authed")
        if not (bearer == self._token if self._token else bearer.startswith("xox")):
            return _no("invalid_auth")
        handler = self._methods.get(method)
        if handler is None:
            return _no("unknown_method")
        arguments = _arguments(request)
        return _no("invalid_json") if arguments is None else handler(arguments)

    def _post(self, message: dict[str, Any]) -> dict[str, Any]:
        channel = _channel_id(str(message.get("channel") or ""))
        if channel is None:
            return _no("channel_not_found")
        fault = fault_of(message)
        if fault is not None:
            return _no(fault[0], fault[1])
        now = self._clock.now().timestamp()
        if self._pace_s and now - self._last_post.get(channel, float("-inf")) < self._pace_s:
            return _no("ratelimited")
        self._last_post[channel] = now
        posted = SlackMessage(
            channel=channel,
            channel_name=str(message["channel"]).lstrip("#"),
            ts=self._next_ts(),
            content=_content(message),
        )
        thread = message.get("thread_ts")
        if thread:
            parent = self._find(channel, str(thread))
            if parent is None:
                return _no("thread_not_found")
            parent.replies.append(posted)
        else:
            self.messages.append(posted)
        return {"ok": True, "channel": channel, "ts": posted.ts, "message": posted.content}

    def _update(self, message: dict[str, Any]) -> dict[str, Any]:
        found = self._find(str(message.get("channel")), str(message.get("ts")))
        if found is None:
            return _no("message_not_found")
        fault = fault_of(message)
        if fault is not None:
            return _no(fault[0], fault[1])
        kept = {"metadata": found.content["metadata"]} if "metadata" in found.content else {}
        found.content = {**kept, **_content(message)}
        found.edits += 1
        found.edited_ts = f"{self._clock.now().timestamp():.6f}"
        return {"ok": True, "channel": found.channel, "ts": found.ts, "text": message.get("text")}

    def _complete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        parent = None
        if arguments.get("thread_ts"):
            channel = str(arguments.get("channel_id"))
            parent = self._find(channel, str(arguments["thread_ts"]))
            if parent is None:
                return _no("thread_not_found")
        answer = self.files.complete(arguments)
        if answer["ok"] and parent is not None:
            parent.replies.append(
                SlackMessage(
                    channel=parent.channel,
                    channel_name=parent.channel_name,
                    ts=self._next_ts(),
                    content={
                        "text": str(arguments.get("initial_comment") or ""),
                        "files": answer["files"],
                    },
                )
            )
        return answer

    def _history(self, query: dict[str, Any]) -> dict[str, Any]:
        channel = str(query.get("channel"))
        if channel not in {message.channel for message in self.messages}:
            known = re.fullmatch(r"[CGD][A-Z0-9]{8,}", channel)
            return {"ok": True, "messages": []} if known else _no("channel_not_found")
        held = [message for message in self.messages if message.channel == channel]
        return {"ok": True, "messages": _page(held, query)}

    def _replies(self, query: dict[str, Any]) -> dict[str, Any]:
        parent = self._find(str(query.get("channel")), str(query.get("ts")))
        if parent is None:
            return _no("thread_not_found")
        return {"ok": True, "messages": _page([parent, *parent.replies], query)}

    def _find(self, channel: str, ts: str) -> SlackMessage | None:
        for message in self.messages:
            if (message.channel, message.ts) == (channel, ts):
                return message
        return None

    def _next_ts(self) -> str:
        self._last_ts = max(self._last_ts + 1, int(self._clock.now().timestamp() * 1e6))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"


def _no(error: str, detail: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = {"ok": False, "error": error}
    return {**answer, "response_metadata": {"messages": [detail]}} if detail else answer


def _arguments(request: Request) -> dict[str, Any] | None:
    if request.method == "GET":
        return dict(request.query)
    if (request.header("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(request.body.decode("utf-8", "replace")))
    return request.json()


def _channel_id(channel: str) -> str | None:
    """Slack takes ids and, when posting, names; the stand-in has every channel."""
    if re.fullmatch(r"[CGD][A-Z0-9]{8,}", channel):
        return channel
    if re.fullmatch(r"#?[a-z0-9][a-z0-9_-]{0,78}", channel):
        letters = re.sub(r"[^A-Z0-9]", "0", channel.lstrip("#").upper())
        return f"C{letters:0<10}"
    return None


def _content(message: dict[str, Any]) -> dict[str, Any]:
    kept = ("text", "blocks", "attachments", "metadata", "reply_broadcast")
    return {name: message[name] for name in kept if message.get(name)}


def _page(messages: list[SlackMessage], query: dict[str, Any]) -> list[dict[str, Any]]:
    oldest = float(query.get("oldest") or 0)
    with_metadata = str(query.get("include_all_metadata")).lower() in ("1", "true")
    shown = []
    for message in reversed(messages):
        if float(message.ts) < oldest:
            continue
        plain = {"ts": message.ts, **message.content}
        if not with_metadata:
            plain.pop("metadata", None)
        shown.append(plain)
    return shown[: int(query.get("limit") or 100)]


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": f"{seconds:g}"}
