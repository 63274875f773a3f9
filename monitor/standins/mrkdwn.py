"""Slack's mark-up as HTML, escaped first: what was sent is shown, never run."""

from __future__ import annotations

import re
from html import escape, unescape

_LINK = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|([^>]*))?>")
_BOLD = re.compile(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])")
_EMOJI = re.compile(r":([a-z_]+):")
_DOTS = {
    "red_circle",
    "large_orange_circle",
    "large_yellow_circle",
    "large_green_circle",
    "white_circle",
    "test_tube",
}


def emoji(text: str) -> str:
    """``:red_circle:`` as a dot of that colour, drawn by the page's style sheet."""
    return _EMOJI.sub(
        lambda match: (
            f'<span class="dot {match.group(1)}" title="{match.group(1)}"></span>'
            if match.group(1) in _DOTS
            else match.group(0)
        ),
        text,
    )


def to_html(text: str) -> str:
    """Bold, links and line ends; all else as plain text."""
    parts, place = [], 0
    for match in _LINK.finditer(text):
        parts.append(_plain(text[place : match.start()]))
        href, label = match.group(1), match.group(2) or match.group(1)
        parts.append(
            f'<a href="{escape(unescape(href))}" rel="noreferrer">{escape(unescape(label))}</a>'
        )
        place = match.end()
    parts.append(_plain(text[place:]))
    return "".join(parts)


def _plain(text: str) -> str:
    bold = _BOLD.sub(r"<strong>\1</strong>", escape(unescape(text)))
    return emoji(bold).replace("\n", "<br>")
