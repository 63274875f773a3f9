"""What a message says, in the order in which it is read, for every receiver alike."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from alerts.notifiers.fit import clip, plain
from alerts.types import Link, Message, MessageEvent

_MOST_URL = 2000
_MOST_LINKS = 4
_MOST_LINK_TEXT = 100
_MOST_ID = 250
_MOST_LINES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """``short`` is the label where there is little room."""

    label: str
    short: str
    texts: tuple[str, ...]


def parts(message: Message) -> tuple[Part, ...]:
    """What is wrong, where, since when, how sure, what vigil did and will do, what you should do.

    Every text is on one line and prints; what says nothing is left out.
    """
    owner = message.incident.labels.get("owner", "")
    return tuple(
        Part(label=label, short=short, texts=told)
        for label, short, texts in (
            ("What is wrong", "What", message.what[:_MOST_LINES]),
            ("Where", "Where", (message.where,)),
            ("Owner", "Owner", (owner,)),
            ("Since", "Since", (message.since,)),
            ("How sure", "How sure", (message.how_sure,)),
            ("What vigil did", "vigil did", message.done[-_MOST_LINES:]),
            ("What vigil will do", "vigil will", (message.next,)),
            ("What you should do", "You", (message.todo,)),
        )
        if (told := tuple(text for each in texts if (text := plain(each))))
    )


def title(message: Message) -> str:
    """How bad it is, and what it is."""
    return plain(f"[{message.incident.severity.value.upper()}] {message.headline}")


def news(message: Message) -> str:
    """All that is new, where the first message said the rest; empty where the whole is told."""
    if message.event not in (MessageEvent.UPDATE, MessageEvent.ACKNOWLEDGE):
        return ""
    told = plain(message.note)
    if message.event is MessageEvent.UPDATE:
        return told
    return " ".join(each for each in (plain(message.headline), told) if each)


def is_silent(message: Message) -> bool:
    """An update without a note: it changes what can be edited, and says nothing new."""
    return message.event is MessageEvent.UPDATE and not plain(message.note)


def links(message: Message) -> tuple[Link, ...]:
    """Runbook and incident first. Only http(s), of a length that every receiver takes."""
    found = (
        Link(text="Open the runbook", href=message.runbook_url),
        Link(text=f"Incident {message.incident.id}", href=message.incident_url),
        *message.links[:_MOST_LINKS],
    )
    return tuple(
        Link(text=clip(plain(link.text), _MOST_LINK_TEXT) or "Link", href=link.href)
        for link in found
        if len(link.href) <= _MOST_URL
        and link.href.isprintable()
        and " " not in link.href
        and _is_http(link.href)
    )


def as_lines(message: Message, *, limit: int = 4000) -> list[str]:
    """Plain text: a line each, links last, and our id, by which a repeat is known."""
    told = news(message)
    lines = [told[:limit]] if told else []
    if not told:
        for part in parts(message):
            lines += [f"{part.label}: {text[:limit]}" for text in part.texts]
    lines += [f"{link.text}: {link.href}" for link in links(message)]
    return [*lines, mark(message)]


def mark(message: Message) -> str:
    """Names the message for ever: the same in each repeat, and looked for before one."""
    return f"vigil message {clip(plain(message.id), _MOST_ID)}"


def _is_http(href: str) -> bool:
    try:
        parts = urlsplit(href)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def header(text: str) -> str:
    """As a header may hold it: visible ASCII on one line, at most 250 characters."""
    return "".join(each if "!" <= each <= "~" else "-" for each in plain(text))[:250]
