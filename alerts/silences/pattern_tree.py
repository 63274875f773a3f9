r"""A regular expression of the plain kind, read into a tree; ``pattern`` runs it.

What is understood: literals, ``.``, ``[a-z]`` and ``[^a-z]``, ``\d \w \s`` and their capitals,
``|``, ``( )``, ``(?: )`` and the repeats ``* + ? {n} {m,n}``. Back-references, look-around and
flags are refused: nothing that needs back-tracking can be said.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

from alerts.silences.errors import PatternError

LONGEST = 500
DEEPEST = 20
MOST_REPEATS = 100

_DIGITS = frozenset(string.digits)
_WORD = frozenset(string.ascii_letters + string.digits + "_")
_SPACE = frozenset(" \t\n\r\f\v")
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CONTROL = {"t": "\t", "n": "\n", "r": "\r"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Chars:
    """One character: of ``single`` or of a range; with ``negated``, of neither."""

    single: frozenset[str] = frozenset()
    ranges: tuple[tuple[str, str], ...] = ()
    negated: bool = False

    def holds(self, char: str) -> bool:
        found = char in self.single or any(low <= char <= high for low, high in self.ranges)
        return found is not self.negated


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Either:
    options: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeat:
    """``most`` is none where there is no limit."""

    part: Node
    least: int
    most: int | None


Node = Chars | Sequence | Either | Repeat
ANY = Chars(negated=True)


def read(text: str) -> Node:
    """The tree of a pattern. A ``^`` at its start and a ``$`` at its end say nothing new.

    Raises:
        PatternError: it is too long or too deep, or says what is not understood.
    """
    if len(text) > LONGEST:
        raise PatternError(text, f"it has {len(text)} characters, at most {LONGEST} are allowed")
    return _Reader(text).whole()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        self._skip("^")
        tree = self._either()
        if self._at < len(self._text):
            raise self._error("a ) without its (")
        return tree

    def _error(self, why: str) -> PatternError:
        return PatternError(self._text, f"{why} (at character {self._at + 1})")

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, token: str) -> bool:
        found = self._text.startswith(token, self._at)
        self._at += len(token) if found else 0
        return found

    def _either(self) -> Node:
        options = [self._sequence()]
        while self._skip("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Either(options=tuple(options))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._next() not in ("", "|", ")"):
            if self._next() == "$" and self._at == len(self._text) - 1:
                self._at += 1
                break
            parts.append(self._repeated(self._atom()))
        return Sequence(parts=tuple(parts))

    def _repeated(self, atom: Node) -> Node:
        if self._skip("*"):
            found = Repeat(part=atom, least=0, most=None)
        elif self._skip("+"):
            found = Repeat(part=atom, least=1, most=None)
        elif self._skip("?"):
            found = Repeat(part=atom, least=0, most=1)
        elif self._skip("{"):
            found = self._counted(atom)
        else:
            return atom
        if self._next() in ("*", "+", "?", "{"):
            raise self._error("a repeat can't be repeated; put ( ) around it")
        return found

    def _counted(self, atom: Node) -> Repeat:
        inside, closed, _ = self._text[self._at :].partition("}")
        low, comma, high = inside.partition(",")
        numbers = [each for each in (low, high) if each]
        if not closed or not low or not all(_is_count(each) for each in numbers):
            raise self._error("expected {n}, {m,} or {m,n}")
        least = int(low)
        most = (int(high) if high else None) if comma else least
        if most is not None and most < least:
            raise self._error(f"{{{inside}}}: the second number is below the first")
        if max(map(int, numbers)) > MOST_REPEATS:
            raise self._error(f"{{{inside}}}: at most {MOST_REPEATS} repeats can be counted")
        self._at += len(inside) + 1
        return Repeat(part=atom, least=least, most=most)

    def _atom(self) -> Node:
        char = self._next()
        self._at += 1
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escape()
        if char == ".":
            return ANY
        if char in ("*", "+", "?", "{"):
            self._at -= 1
            raise self._error(f"{char} has nothing to repeat (write \\{char} for the character)")
        if char in ("^", "$"):
            self._at -= 1
            raise self._error(f"{char} inside: the whole value is matched anyway (write \\{char})")
        return Chars(single=frozenset(char))

    def _group(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"more than {DEEPEST} groups inside each other")
        if not self._skip("?:") and self._next() == "?":
            raise self._error("flags, names and look-around, (?...), are not supported")
        tree = self._either()
        if not self._skip(")"):
            raise self._error("a ( without its )")
        self._depth -= 1
        return tree

    def _escape(self) -> Chars:
        char = self._next()
        if not char:
            raise self._error("it ends in a lone \\")
        if char.lower() in _CLASSES:
            self._at += 1
            return Chars(single=_CLASSES[char.lower()], negated=char.isupper())
        if char in _CONTROL:
            self._at += 1
            return Chars(single=frozenset(_CONTROL[char]))
        if char.isalnum():
            raise self._error(f"\\{char} is not supported")
        self._at += 1
        return Chars(single=frozenset(char))

    def _class(self) -> Chars:
        negated = self._skip("^")
        single: set[str] = set()
        ranges: list[tuple[str, str]] = []
        first = True
        while first or self._next() != "]":
            first = False
            low = self._member()
            if len(low) == 1 and self._next() == "-" and self._text[self._at + 1 :][:1] != "]":
                self._at += 1
                high = self._member()
                if len(high) != 1 or max(high) < max(low):
                    raise self._error("a range runs from a character to one not before it")
                ranges.append((max(low), max(high)))
            else:
                single |= low
        self._at += 1
        return Chars(single=frozenset(single), ranges=tuple(ranges), negated=negated)

    def _member(self) -> frozenset[str]:
        char = self._next()
        if not char:
            raise self._error("a [ without its ]")
        self._at += 1
        if char != "\\":
            return frozenset(char)
        found = self._escape()
        if found.negated:
            raise self._error("\\D, \\W and \\S can't stand inside [ ]")
        return found.single


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4
