"""Fill ``{{ name }}`` in a page. Nothing else is understood: no expressions, no code, no
attributes.

Values come from metadata that a stranger may have chosen, so for Markdown they are escaped: a
slice called ``[x](http://evil)`` shows as that text. Inside code spans and blocks, where Markdown
knows no escapes, a value keeps only characters that are safe on a command line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~&-])")
_UNSAFE_IN_CODE = re.compile(r"[^\w@%+=:,./ -]", re.ASCII)
_LINE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+")


def names_in(text: str) -> set[str]:
    return set(_VARIABLE.findall(text))


def fill(text: str, values: Mapping[str, str], *, markdown: bool = True) -> str:
    """``text`` with its variables replaced; one that has no value becomes ``(name)``."""
    if not markdown:
        return _VARIABLE.sub(lambda match: _value(match.group(1), values), text)
    parts = _CODE.split(text)
    for place, part in enumerate(parts):
        is_code = place % 2 == 1
        parts[place] = _VARIABLE.sub(
            lambda match, is_code=is_code: _escaped(_value(match.group(1), values), is_code), part
        )
    return "".join(parts)


def _value(name: str, values: Mapping[str, str]) -> str:
    value = values.get(name, "")
    return _LINE.sub(" ", value).strip() or f"({name.replace('_', ' ')})"


def _escaped(value: str, is_code: bool) -> str:
    if is_code:
        return _UNSAFE_IN_CODE.sub("", value).lstrip("-")
    if _URL.fullmatch(value) and not set("()<>[]") & set(value):
        return value
    return _SPECIAL.sub(r"\\\1", value)
