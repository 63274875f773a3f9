"""A message as Slack blocks, inside Slack's limits whatever the texts hold.

Limits: header 150 characters, section 3000, at most 50 blocks and some 13 000 characters in all.
Text is escaped, so that metadata such as ``<!channel>`` calls nobody.
"""

from __future__ import annotations

import json
from typing import Any

from alerts.notifiers.fit import clip, one_line
from alerts.notifiers.slack_buttons import buttons
from alerts.types import Incident, Message, MessageEvent, Severity

HEADER = 150
SECTION = 3000
FIELD = 2000
_MESSAGE = 12_000
_LIMITS = (900, 400, 150, 60)
_LINES = 8
_LINKS = 4

_COLOUR = {
    Severity.CRITICAL: "#b3261e",
    Severity.ERROR: "#d9622b",
    Severity.WARNING: "#c99a06",
    Severity.INFO: "#5b6b7b",
}
_SIGN = {
    Severity.CRITICAL: ":red_circle:",
    Severity.ERROR: ":large_orange_circle:",
    Severity.WARNING: ":large_yellow_circle:",
    Severity.INFO: ":white_circle:",
}
_RESOLVED_COLOUR = "#2e7d4f"


def render(message: Message, *, interactive: bool = False) -> dict[str, Any]:
    """``text`` (for notifications), ``blocks`` and ``attachments`` of the incident's message.

    ``interactive`` adds the buttons that apply. Where the whole is too long, every text is cut
    shorter until it fits.
    """
    pressable = buttons(message) if interactive else []
    for limit in _LIMITS:
        content = _render(message, limit, pressable)
        if len(json.dumps(content, ensure_ascii=False)) <= _MESSAGE:
            break
    return content


def _render(message: Message, limit: int, pressable: list[dict[str, Any]]) -> dict[str, Any]:
    def plain(text: str) -> str:
        return escape(clip(text, limit))

    incident = message.incident
    calm = not incident.state.is_open
    sign = ":large_green_circle:" if calm else _SIGN[incident.severity]
    if message.event is MessageEvent.TEST:
        sign = ":test_tube:"
    title = clip(f"{sign} {one_line(message.headline)}", HEADER)
    did = "\n".join(f"• {plain(each)}" for each in message.done[-_LINES:])
    links = [
        _link(message.runbook_url, "Open the runbook"),
        _link(message.incident_url, f"Incident {incident.id}"),
        *(_link(link.href, clip(link.text, 60)) for link in message.links[:_LINKS]),
    ]
    body = [
        _section("\n".join(plain(line) for line in message.what[:_LINES])),
        {
            "type": "section",
            "fields": [
                _mrkdwn(f"*Where*\n{plain(message.where)}", FIELD),
                _mrkdwn(f"*Since*\n{plain(message.since)}", FIELD),
            ],
        },
        _section(f"*How sure*\n{plain(message.how_sure)}"),
        _section(f"*What vigil did*\n{did}\n*Next:* {plain(message.next)}"),
        _section(f"*What you should do*\n{plain(message.todo)}"),
        _section(" | ".join(links)),
        *pressable,
        {"type": "context", "elements": [_mrkdwn(_status(incident), FIELD)]},
    ]
    colour = _RESOLVED_COLOUR if calm else _COLOUR[incident.severity]
    return {
        "text": plain(one_line(message.headline)),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": True}}
        ],
        "attachments": [{"color": colour, "blocks": body}],
    }


def reply(message: Message) -> str:
    """What the thread is told: what is new, then what the timeline says since the last message.

    Empty where there is nothing to tell.
    """
    rings = message.event is MessageEvent.TRIGGER
    note = message.note or (message.headline if rings else "")
    said = [line for line in message.story if not (note and line.endswith(note))]
    head = escape(clip(note, SECTION // 2))
    lines = [escape(clip(one_line(line), 400)) for line in said]
    while lines and len(head) + sum(len(line) + 3 for line in lines) > SECTION - 20:
        lines.pop(0)
    listed = "\n".join(f"• {line}" for line in lines)
    return "\n".join(part for part in (head, listed) if part)


def _status(incident: Incident) -> str:
    owner = incident.labels.get("owner", "")
    parts = [f"{incident.severity.value} · {incident.state.value}"]
    if owner:
        parts.append(f"owner {escape(clip(owner, 200))}")
    return " · ".join(parts)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text, SECTION)}


def _mrkdwn(text: str, limit: int) -> dict[str, str]:
    return {"type": "mrkdwn", "text": clip(text.strip() or "–", limit)}


def _link(href: str, text: str) -> str:
    safe = escape(href).replace("|", "%7C").replace(" ", "%20")
    return f"<{safe}|{escape(text).replace('|', '/')}>"


def escape(text: str) -> str:
    """The three characters that Slack asks to escape."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
