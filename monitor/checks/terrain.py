"""Which leaf cells the traffic has, so that slices of different keys can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from detectors.frame import Part
from vigil.types import Slice
from vigil.windows.summary import membership


@dataclass(frozen=True, slots=True)
class Terrain:
    """The keys, and the leaf cells that were seen. Without any, only names are compared."""

    keys: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Terrain:
        """The cells of parts that count by the same keys as the first."""
        layouts = list(parts)
        if not layouts:
            return cls()
        keys = layouts[0].summary.layout.keys
        cells = {
            cell
            for part in layouts
            if part.summary.layout.keys == keys
            for cell, records in zip(part.summary.cells, part.summary.records, strict=True)
            if records
        }
        return cls(keys, tuple(sorted(cells)))

    def within(self, inner: Slice, outer: Slice) -> bool:
        """Whether all traffic of ``inner`` is traffic of ``outer``: by its name, or because every
        leaf cell that it has lies there."""
        if set(outer.pairs) <= set(inner.pairs):
            return True
        if not self.cells:
            return False
        of_inner, of_outer = membership([inner, outer], self.keys, self.cells)
        return bool(of_inner.any() and not (of_inner & ~of_outer).any())


NOWHERE = Terrain()
