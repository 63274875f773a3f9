"""An incident's message as a mail: plain text and HTML, in one thread per incident.

The trigger's ``Message-ID`` is the incident's; all else refers to it, under the trigger's subject,
so that mail programs show one conversation. A repeat carries the same ``Message-ID`` as before.
"""

from __future__ import annotations

import hashlib
import html
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from alerts.notifiers import parts
from alerts.notifiers.fit import clip
from alerts.types import Message, MessageEvent, Severity

MAX_SUBJECT = 200
_TEXT = 10_000
_COLOUR = {
    Severity.CRITICAL: "#b3261e",
    Severity.ERROR: "#d9622b",
    Severity.WARNING: "#8a6d00",
    Severity.INFO: "#5b6b7b",
}
_CALM = "#2e7d4f"


def mail_of(
    message: Message, *, sender: str, to: tuple[str, ...], subject: str = ""
) -> EmailMessage:
    """Args:
    sender, to: addresses.
    subject: of the incident's first mail; empty where this is the first.
    """
    domain = parts.header(parseaddr(sender)[1].rpartition("@")[2]) or "localhost"
    root = f"<{_local(message.thread_key)}@{domain}>"
    opens = not subject and message.event in (MessageEvent.TRIGGER, MessageEvent.TEST)
    is_root = opens and message.incident.reopened == 0
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = f"Re: {subject}" if subject else subject_of(message)
    mail["Date"] = format_datetime(message.sent_at)
    mail["Message-ID"] = root if is_root else f"<{_local(message.id)}@{domain}>"
    if not is_root:
        mail["In-Reply-To"] = root
        mail["References"] = root
    mail["X-Vigil-Id"] = parts.header(message.id)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if message.event is MessageEvent.TRIGGER and message.incident.severity.at_least(Severity.ERROR):
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    head = parts.title(message)
    mail.set_content("\n\n".join([head, *parts.as_lines(message, limit=_TEXT)]) + "\n")
    mail.add_alternative(_html(message, head), subtype="html")
    return mail


def subject_of(message: Message) -> str:
    return clip(parts.title(message), MAX_SUBJECT)


def _local(text: str) -> str:
    """What may stand before the @ of a Message-ID, different for different texts."""
    safe = "".join(
        each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in text
    )
    if safe == text and len(text) <= 150:
        return safe
    return f"{safe[:100]}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _html(message: Message, head: str) -> str:
    calm = message.event is MessageEvent.RESOLVE
    colour = _CALM if calm else _COLOUR[message.incident.severity]
    rows = []
    told = parts.news(message)
    if told:
        rows.append(f"<p>{_safe(told)}</p>")
    else:
        for part in parts.parts(message):
            texts = "<br>".join(_safe(text) for text in part.texts)
            rows.append(f"<p><b>{_safe(part.label)}</b><br>{texts}</p>")
    links = " | ".join(
        f'<a href="{html.escape(link.href)}">{_safe(link.text)}</a>'
        for link in parts.links(message)
    )
    return (
        '<html><body style="font-family:sans-serif;max-width:46em">'
        f'<h2 style="color:{colour}">{_safe(head)}</h2>{"".join(rows)}<p>{links}</p>'
        f'<p style="color:#777777;font-size:small">{_safe(parts.mark(message))}</p></body></html>'
    )


def _safe(text: str) -> str:
    return html.escape(clip(text, _TEXT))
