"""Runbook pages as HTML. Raw HTML in a page is shown as text, never run."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
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


def render(source: str, mark: Callable[[int], Markup] | None = None) -> Markup:
    """CommonMark with tables, without raw HTML, images or links of unusual schemes.

    ``mark(n)`` is put at the head of the n-th item of the top-level ordered lists.
    """
    tokens = _PARSER.parse(source)
    if mark is None:
        return Markup(_PARSER.renderer.render(tokens, _PARSER.options, {}))
    marked, ordered, number = list[Token](), False, 0
    for token in tokens:
        marked.append(token)
        if token.level == 0:
            ordered = token.type == "ordered_list_open"
        elif token.level == 1 and ordered and token.type == "list_item_open":
            number += 1
            token.attrSet("class", "step")
            marked.append(Token("html_block", "", 0, content=str(mark(number))))
    return Markup(_PARSER.renderer.render(marked, _PARSER.options, {}))
