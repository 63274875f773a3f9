"""Regular expressions whose time to match is bounded by their length and the text's.

People type them into silences, and each is tried on each alert: one that back-tracks would stop the
pager. So they run as an automaton: every reading is followed at once (Thompson, 1968), and the sets
of readings met are kept, so that a character costs one look-up the second time.
"""

from __future__ import annotations

from functools import lru_cache

from alerts.silences.errors import PatternError
from alerts.silences.pattern_tree import Chars, Either, Node, Repeat, Sequence, read

MOST_STATES = 1000
_KEPT_STEPS = 500
_KEPT_PATTERNS = 12_000


class Pattern:
    """A compiled pattern; ``matches`` asks for the whole text, as if between ``^`` and ``$``."""

    def __init__(self, text: str) -> None:
        """Raises:
        PatternError: it can't be read, or it is too large.
        """
        self.text = text
        self._moves: list[list[tuple[Chars, int]]] = []
        self._free: list[list[int]] = []
        start = self._state()
        self._end = self._build(read(text), start)
        self._start = self._closed({start})
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def matches(self, text: str) -> bool:
        reached = self._start
        for char in text:
            step = self._steps.get((reached, char))
            if step is None:
                step = self._step(reached, char)
            reached = step
            if not reached:
                return False
        return self._end in reached

    def _step(self, reached: frozenset[int], char: str) -> frozenset[int]:
        found = self._closed(
            {to for state in reached for chars, to in self._moves[state] if chars.holds(char)}
        )
        if len(self._steps) >= _KEPT_STEPS:
            self._steps.clear()
        self._steps[(reached, char)] = found
        return found

    def _closed(self, states: set[int]) -> frozenset[int]:
        """With all that is reached from them without a character."""
        waiting = list(states)
        while waiting:
            for state in self._free[waiting.pop()]:
                if state not in states:
                    states.add(state)
                    waiting.append(state)
        return frozenset(states)

    def _state(self) -> int:
        if len(self._moves) >= MOST_STATES:
            raise PatternError(self.text, "its repeats make it too large")
        self._moves.append([])
        self._free.append([])
        return len(self._moves) - 1

    def _build(self, node: Node, start: int) -> int:
        """Add a node that begins at a state; returns the state where it ends."""
        match node:
            case Chars():
                end = self._state()
                self._moves[start].append((node, end))
                return end
            case Sequence(parts=parts):
                for part in parts:
                    start = self._build(part, start)
                return start
            case Either(options=options):
                end = self._state()
                for option in options:
                    first = self._state()
                    self._free[start].append(first)
                    self._free[self._build(option, first)].append(end)
                return end
            case Repeat():
                return self._repeat(node, start)

    def _repeat(self, node: Repeat, start: int) -> int:
        for _ in range(node.least):
            start = self._build(node.part, self._after(start))
        end = self._state()
        self._free[start].append(end)
        if node.most is None:
            first = self._after(start)
            last = self._build(node.part, first)
            self._free[last] += [first, end]
            return end
        for _ in range(node.most - node.least):
            start = self._build(node.part, self._after(start))
            self._free[start].append(end)
        return end

    def _after(self, state: int) -> int:
        """A fresh state after one, so that a loop can't run back into what came before."""
        fresh = self._state()
        self._free[state].append(fresh)
        return fresh


@lru_cache(maxsize=_KEPT_PATTERNS)
def compiled(text: str) -> Pattern:
    """Raises: PatternError: it can't be used."""
    return Pattern(text)
