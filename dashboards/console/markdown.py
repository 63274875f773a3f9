"""Runbook pages as HTML. Raw HTML in a page is shown as text, never run."""

from __future__ import annotations

from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markupsafe import Markup

_SCHEMES = ("http", "https", "mailto", "")
_PARSER = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
_PARSER.disable("image")  # nothing is loaded from elsewhere while an incident runs


def _is_safe(url: str) -> bool:
    try:
        return urlsplit(url.strip()).scheme.lower() in _SCHEMES
    except ValueError:
        return False


_PARSER.validateLink = _is_safe  # type: ignore[method-assign]


def render(source: str) -> Markup:
    """CommonMark with tables, without raw HTML, images or links of unusual schemes."""
    return Markup(_PARSER.render(source))
