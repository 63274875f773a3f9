"""How many records of a window have which data fault, cell by cell, with one example of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.quality.kinds import DataFault

MOST_KINDS = 32
MOST_EXAMPLE = 200
_MOST_COUNT = 2**40

Cell = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """Counts that add up, as summaries do.

    ``counts``: kind of fault to leaf cell to records; ``examples``: kind to what was expected and
    what was found. Kinds are texts, so that what a newer tap counts is not lost.
    """

    counts: Mapping[str, Mapping[Cell, int]] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def total(self, kind: str) -> int:
        """Records with one fault, in all cells."""
        return sum(self.counts.get(kind, {}).values())

    def of_cells(self, kind: str, cells: Sequence[Cell]) -> NDArray[np.int64]:
        """Records with one fault in each of these cells, (c,)."""
        found = self.counts.get(kind, {})
        return np.array([found.get(cell, 0) for cell in cells], np.int64)

    @classmethod
    def of(
        cls,
        flags: NDArray[np.uint32],
        rows: NDArray[np.int64],
        cells: Sequence[Cell],
        examples: Mapping[str, str],
    ) -> Quality:
        """From the flags of n records, the row of the cell of each (n,), and the cells."""
        if not flags.any():
            return NO_FAULTS
        counts: dict[str, dict[Cell, int]] = {}
        for kind in DataFault:
            hit = rows[(flags & np.uint32(kind.bit)) != 0]
            if len(hit):
                each = np.bincount(hit, minlength=len(cells))
                counts[kind] = {cells[row]: int(each[row]) for row in np.flatnonzero(each).tolist()}
        return cls(counts=counts, examples={k: v for k, v in examples.items() if k in counts})

    @staticmethod
    def sum(parts: Iterable[Quality]) -> Quality:
        """All together; of the examples of a kind the first."""
        counts: dict[str, dict[Cell, int]] = {}
        examples: dict[str, str] = {}
        for part in parts:
            for kind, by_cell in part.counts.items():
                mine = counts.setdefault(kind, {})
                for cell, n in by_cell.items():
                    mine[cell] = mine.get(cell, 0) + n
            examples = {**part.examples, **examples}
        return Quality(counts=counts, examples=examples) if counts else NO_FAULTS

    def to_json(self, cells: Sequence[Cell]) -> dict[str, Any]:
        """Beside a summary of these cells, which are named by their row."""
        row = {cell: i for i, cell in enumerate(cells)}
        return {
            kind: {
                "at": [[row[cell], n] for cell, n in by_cell.items() if cell in row],
                "example": self.examples.get(kind, ""),
            }
            for kind, by_cell in self.counts.items()
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], cells: Sequence[Cell]) -> Quality:
        """Raises:
        ValueError, TypeError, KeyError, IndexError, AttributeError: not what ``to_json`` wrote.
        """
        if not plain:
            return NO_FAULTS
        if len(plain) > MOST_KINDS:
            raise ValueError(f"quality: expected at most {MOST_KINDS} kinds, found {len(plain)}")
        counts: dict[str, dict[Cell, int]] = {}
        examples: dict[str, str] = {}
        for kind, entry in plain.items():
            if len(kind) > 64 or not kind.isprintable():
                raise ValueError(f"quality: expected the name of a fault, found {kind!r:.80}")
            if len(entry["at"]) > len(cells):
                raise ValueError(f"quality.{kind}: expected at most {len(cells)} cells")
            counts[kind] = {cells[_whole(row, len(cells) - 1)]: _whole(n) for row, n in entry["at"]}
            if entry["example"]:
                examples[kind] = str(entry["example"])[:MOST_EXAMPLE]
        return cls(counts=counts, examples=examples)


NO_FAULTS = Quality()


def _whole(value: object, most: int = _MOST_COUNT) -> int:
    if not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"quality: expected a whole number up to {most}, found {value!r:.80}")
    return value
