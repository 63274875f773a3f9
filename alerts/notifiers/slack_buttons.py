"""The buttons of an incident's message in Slack: which apply, what they carry, and how a press of
one is read.

A button carries what its presser saw: the incident, and for an approval the plan's hash. Whether
that still holds is for the receiver of the press to judge.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alerts.notifiers.fit import clip
from alerts.types import Message, MessageEvent

_TITLE, _TEXT, _ANSWER = 100, 300, 30
_PREFIX = "vigil."


class Verb(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    APPROVE = "approve"
    SILENCE = "silence"
    RESOLVE = "resolve"


@dataclass(frozen=True, kw_only=True, slots=True)
class Press:
    """What a pressed button asks for; ``action_id`` and ``plan_hash`` of an approval alone."""

    verb: Verb
    incident_id: int
    installation: str
    action_id: int = 0
    plan_hash: str = ""


def buttons(message: Message) -> list[dict[str, Any]]:
    """The block of buttons that apply in the incident's state: none, or one block."""
    incident = message.incident
    if message.event is MessageEvent.TEST or message.key or not incident.state.is_open:
        return []
    known = {"incident": incident.id, "installation": message.installation}
    found = []
    if incident.acknowledged_at is None:
        found.append(_button(Verb.ACKNOWLEDGE, "Acknowledge", known, style="primary"))
    if message.approval is not None:
        asked = message.approval
        found.append(
            _button(
                Verb.APPROVE,
                "Approve rollback",
                {**known, "action": asked.action_id, "plan": asked.plan_hash},
                style="danger",
                confirm=_confirm(
                    "Roll back?",
                    f"{asked.text} Your yes holds for this plan alone ({asked.plan_hash[:12]}); "
                    "the guard decides once more.",
                    "Approve",
                ),
            )
        )
    about = f"{incident.model} in {incident.deployment}"
    found.append(
        _button(
            Verb.SILENCE,
            "Silence 1 h",
            known,
            confirm=_confirm(
                "Silence for an hour?",
                f"Nobody is told of alerts like this one on {about} for an hour. The incident "
                "stays open.",
                "Silence",
            ),
        )
    )
    found.append(
        _button(
            Verb.RESOLVE,
            "Resolve",
            known,
            confirm=_confirm(
                "Resolve?",
                f"Incident {incident.id} is closed and everyone who was paged is told. While it "
                "fires unchanged, vigil stays quiet.",
                "Resolve",
            ),
        )
    )
    return [{"type": "actions", "block_id": f"{_PREFIX}{incident.id}", "elements": found}]


def read_press(action_id: str, value: str) -> Press | None:
    """What a button of ours asks for; None where it is not ours."""
    try:
        verb = Verb(action_id.removeprefix(_PREFIX))
        carried = json.loads(value)
        press = Press(
            verb=verb,
            incident_id=int(carried["incident"]),
            installation=str(carried["installation"]),
            action_id=int(carried.get("action", 0)),
            plan_hash=str(carried.get("plan", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    ours = action_id.startswith(_PREFIX)
    sane = 0 < press.incident_id < 2**63 and 0 <= press.action_id < 2**63
    return press if ours and sane else None


def _button(
    verb: Verb,
    text: str,
    carried: dict[str, Any],
    *,
    style: str = "",
    confirm: dict[str, Any] | None = None,
) -> dict[str, Any]:
    button: dict[str, Any] = {
        "type": "button",
        "action_id": f"{_PREFIX}{verb.value}",
        "text": {"type": "plain_text", "text": text},
        "value": json.dumps(carried, separators=(",", ":")),
    }
    if style:
        button["style"] = style
    return button if confirm is None else {**button, "confirm": confirm}


def _confirm(title: str, text: str, yes: str) -> dict[str, Any]:
    def plain(words: str, limit: int) -> dict[str, str]:
        return {"type": "plain_text", "text": clip(words, limit)}

    return {
        "title": plain(title, _TITLE),
        "text": plain(text, _TEXT),
        "confirm": plain(yes, _ANSWER),
        "deny": plain("Not now", _ANSWER),
    }
