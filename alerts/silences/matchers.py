"""What a silence asks of a label: ``camera="c3"``, ``model=~"gate|lane"``, ``cause!="no_data"``.

A label that is missing reads as empty. Regular expressions hold for the whole value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alerts.silences.errors import MatcherError, shortened
from alerts.silences.pattern import compiled

LONGEST_VALUE = 500
LONGEST_LABEL = 200
_PARTS = re.compile(r"\s*([^\s=!~\"{},]+)\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
_ESCAPED = re.compile(r"\\([\"\\])")


class Op(StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    LIKE = "=~"
    NOT_LIKE = "!~"


@dataclass(frozen=True, kw_only=True, slots=True)
class Matcher:
    """``label op value``.

    Raises:
        MatcherError: no label, or one too long.
        PatternError: a regular expression that can't be used.
    """

    label: str
    op: Op
    value: str

    def __post_init__(self) -> None:
        if not self.label or len(self.label) > LONGEST_LABEL:
            raise MatcherError(
                f"a label has 1 to {LONGEST_LABEL} characters: {shortened(self.label)!r}"
            )
        if len(self.value) > LONGEST_VALUE:
            raise MatcherError(
                f"{self.label}: its value has {len(self.value)} characters, "
                f"at most {LONGEST_VALUE} are allowed"
            )
        if self.op in (Op.LIKE, Op.NOT_LIKE):
            compiled(self.value)

    def holds(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.label, "")
        match self.op:
            case Op.EQUAL:
                return value == self.value
            case Op.NOT_EQUAL:
                return value != self.value
            case Op.LIKE:
                return compiled(self.value).matches(value)
            case Op.NOT_LIKE:
                return not compiled(self.value).matches(value)

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.label}{self.op}"{escaped}"'

    def to_json(self) -> dict[str, str]:
        return {"label": self.label, "op": self.op.value, "value": self.value}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Matcher:
        """Raises: MatcherError: a part is missing or not understood."""
        try:
            label, op, value = plain["label"], Op(plain["op"]), plain["value"]
        except (KeyError, TypeError, ValueError) as error:
            raise MatcherError(f"expected label, op (=, !=, =~, !~) and value: {error}") from None
        if not isinstance(label, str) or not isinstance(value, str):
            raise MatcherError("the label and the value of a matcher are texts")
        return cls(label=label, op=op, value=value)

    @classmethod
    def parse(cls, text: str) -> Matcher:
        """Read what ``str`` wrote; the quotes may be left out.

        Raises:
            MatcherError: it is not ``label=value`` or the like.
        """
        parts = _PARTS.fullmatch(text)
        if parts is None:
            raise MatcherError(
                f'matcher {shortened(text)!r}: expected label=value, or !=, =~"...", !~"..."'
            )
        label, op, value = parts.groups()
        if value.startswith('"'):
            if len(value) < 2 or not value.endswith('"') or _open_inside(value[1:-1]):
                raise MatcherError(
                    f"matcher {shortened(text)!r}: the quotes do not close at its end"
                )
            value = _ESCAPED.sub(r"\1", value[1:-1])
        return cls(label=label, op=Op(op), value=value)


def all_hold(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.holds(labels) for matcher in matchers)


def holds_always(matchers: Iterable[Matcher]) -> bool:
    """They hold where there are no labels at all, so they say nothing of what is meant."""
    return all_hold(matchers, {})


def _open_inside(inside: str) -> bool:
    """A quote inside is not escaped, or the last one is."""
    bare = _ESCAPED.sub("", inside)
    return '"' in bare or bare.endswith("\\")
