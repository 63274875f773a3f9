"""Slack's limits on a message: what the real API answers with ``invalid_blocks`` and the like."""

from __future__ import annotations

import json
from typing import Any

_BLOCKS = 50
_HEADER = 150
_SECTION = 3000
_FIELDS = 10
_FIELD = 2000
_CONTEXT = 10
_ACTIONS = 25
_BUTTON = 75
_VALUE = 2000
_ACTION_ID = 255
_CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
_MESSAGE = 13_000
_TEXT = 40_000


def fault_of(message: dict[str, Any]) -> tuple[str, str] | None:
    """Slack's error and what is wrong, or None."""
    text, blocks = message.get("text"), message.get("blocks") or []
    attachments = message.get("attachments") or []
    if not text and not blocks and not attachments:
        return "no_text", "neither text nor blocks"
    if not isinstance(text, str | None) or not isinstance(blocks, list):
        return "invalid_arguments", "text must be a string and blocks a list"
    if len(text or "") > _TEXT:
        return "msg_too_long", f"text of {len(text or '')} characters"
    for where, group in (("blocks", blocks), *_of_attachments(attachments)):
        found = _blocks(group)
        if found is not None:
            return "invalid_blocks", f"{where}: {found}"
    size = len(json.dumps([blocks, attachments], ensure_ascii=False))
    if size > _MESSAGE:
        return "msg_blocks_too_long", f"{size} characters in all, at most {_MESSAGE}"
    metadata = message.get("metadata")
    if metadata is not None and not (
        isinstance(metadata, dict)
        and isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    ):
        return "invalid_metadata_format", "event_type and event_payload are required"
    return None


def _of_attachments(attachments: list[Any]) -> list[tuple[str, Any]]:
    return [
        (f"attachments[{place}]", each.get("blocks") or [])
        for place, each in enumerate(attachments)
        if isinstance(each, dict)
    ]


def _blocks(blocks: list[Any]) -> str | None:
    if len(blocks) > _BLOCKS:
        return f"{len(blocks)} blocks, at most {_BLOCKS}"
    for place, block in enumerate(blocks):
        found = _block(block) if isinstance(block, dict) else "not an object"
        if found is not None:
            return f"[{place}]: {found}"
    return None


def _block(block: dict[str, Any]) -> str | None:
    kind = block.get("type")
    if kind == "header":
        return _text(block.get("text"), _HEADER, kinds=("plain_text",))
    if kind == "section":
        return _section(block)
    if kind == "context":
        elements = block.get("elements") or []
        if not 0 < len(elements) <= _CONTEXT:
            return f"context of {len(elements)} elements"
        return next(filter(None, (_text(each, _SECTION) for each in elements)), None)
    if kind == "actions":
        elements = block.get("elements") or []
        if not 0 < len(elements) <= _ACTIONS:
            return f"actions of {len(elements)} elements"
        ids = [str(each.get("action_id", "")) for each in elements]
        if len(set(ids)) != len(ids):
            return "action_id: each once in a block"
        return next(filter(None, map(_button, elements)), None)
    return None if kind == "divider" else f"unknown type {kind!r}"


def _section(block: dict[str, Any]) -> str | None:
    fields = block.get("fields") or []
    if "text" not in block and not fields:
        return "a section needs text or fields"
    if len(fields) > _FIELDS:
        return f"{len(fields)} fields, at most {_FIELDS}"
    if "text" in block and (found := _text(block["text"], _SECTION)):
        return found
    return next(filter(None, (_text(each, _FIELD) for each in fields)), None)


def _button(button: dict[str, Any]) -> str | None:
    if len(str(button.get("action_id", ""))) > _ACTION_ID:
        return f"action_id over {_ACTION_ID} characters"
    if len(str(button.get("value", ""))) > _VALUE:
        return f"value over {_VALUE} characters"
    if button.get("style") not in (None, "primary", "danger"):
        return f"style {button.get('style')!r}"
    confirm = button.get("confirm")
    if confirm is not None:
        for name, limit in _CONFIRM.items():
            if found := _text(confirm.get(name), limit):
                return f"confirm.{name}: {found}"
    return _text(button.get("text"), _BUTTON, kinds=("plain_text",))


def _text(
    text: Any, limit: int, *, kinds: tuple[str, ...] = ("mrkdwn", "plain_text")
) -> str | None:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        return f"expected text of type {' or '.join(kinds)}"
    content = text.get("text")
    if not isinstance(content, str) or not 0 < len(content) <= limit:
        return f"text of {len(content or '')} characters, 1 to {limit} are allowed"
    return None
