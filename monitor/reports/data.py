"""Two samples as two tables of scalar signals and predicted classes. Pure.

Embeddings stay out: Evidently's drift of embeddings always runs t-SNE, which takes tens of seconds
and answers no question that the console's map and the MMD have not answered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.types import Slice
from vigil.windows import wire
from vigil.windows.sample import Sample

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

MOST_ROWS = 5000
MOST_CLASSES = 30
LEAST_VALUES = 2
LEAST_REFERENCE = 50
"""A slice of the baseline with fewer records than this is too thin to be compared with."""

_TEXTS = ("names", "classes", "left_out")
_ARRAYS = ("reference", "current", "reference_classes", "current_classes")
_UNSAFE = re.compile(r"[^\w .-]")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tables:
    """n reference and m current records. S signals, in the catalogue's order.

    * ``reference`` (n, S) and ``current`` (m, S): NaN where missing, never infinite.
    * ``reference_classes`` (n,) and ``current_classes`` (m,): rows of ``classes``; -1 where none.
      ``classes`` is empty where one side has no prediction at all.
    * ``left_out``: signals that one side has hardly measured, which can't be compared.
    """

    names: tuple[str, ...]
    reference: Floats
    current: Floats
    classes: tuple[str, ...]
    reference_classes: Ints
    current_classes: Ints
    left_out: tuple[str, ...] = ()

    def values(self, name: str) -> tuple[Floats, Floats]:
        """What was measured of one signal, in the reference and now."""
        column = self.names.index(name)
        x, y = self.reference[:, column], self.current[:, column]
        return x[~np.isnan(x)], y[~np.isnan(y)]

    def to_bytes(self) -> bytes:
        return wire.pack(
            {name: list(getattr(self, name)) for name in _TEXTS},
            {name: getattr(self, name) for name in _ARRAYS},
        )

    @classmethod
    def from_bytes(cls, blob: bytes) -> Tables:
        """Raises:
        WireError: damaged.
        """
        header, arrays = wire.unpack(blob)
        fields: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
        fields |= {name: tuple(header[name]) for name in _TEXTS}
        return cls(**fields)


def tables(
    reference: Sample,
    current: Sample,
    *,
    class_names: Sequence[str] = (),
    most_rows: int = MOST_ROWS,
) -> Tables:
    """The signals that both samples hold, side by side.

    Of a larger sample, the ``most_rows`` records of smallest priority are kept, which are a
    uniform sample of it. Classes beyond the ``MOST_CLASSES`` most frequent count as "other".
    """
    old, new = first_rows(reference, most_rows), first_rows(current, most_rows)
    shared = [name for name in old.signal_names if name in new.signal_names]
    named = dict.fromkeys((*old.signal_names, *new.signal_names))
    x, y = _columns(old, shared), _columns(new, shared)
    measured = np.minimum((~np.isnan(x)).sum(axis=0), (~np.isnan(y)).sum(axis=0)) >= LEAST_VALUES
    kept = [name for name, good in zip(shared, measured, strict=True) if good]
    classes, codes = _classes(old.prediction, new.prediction, class_names)
    return Tables(
        names=tuple(kept),
        reference=x[:, measured],
        current=y[:, measured],
        classes=classes,
        reference_classes=codes[: len(old)],
        current_classes=codes[len(old) :],
        left_out=tuple(name for name in named if name not in kept),
    )


def reference_on(sample: Sample, piece: Slice) -> tuple[Sample, bool]:
    """The baseline's records of a slice; all of them, and True, where it has hardly any there."""
    inside = [
        row
        for row, metadata in enumerate(sample.metadata)
        if all(metadata.get(key) == value for key, value in piece.pairs)
    ]
    if len(inside) < LEAST_REFERENCE and not piece.is_whole:
        return sample, True
    return sample.take(inside), False


def first_rows(sample: Sample, most: int) -> Sample:
    """The ``most`` records of smallest priority (ties: by the id), in the order of time."""
    order = sorted(range(len(sample)), key=lambda row: (sample.priority[row], sample.ids[row]))
    kept = order[:most]
    return sample.take(sorted(kept, key=lambda row: (sample.time_s[row], sample.ids[row])))


def safe_label(index: int, class_names: Sequence[str]) -> str:
    """A class as Evidently may show it: its pages put text into a script without escaping it."""
    name = class_names[index] if index < len(class_names) else ""
    kept = _UNSAFE.sub("_", name)[:40].strip()
    return f"{index} {kept}" if kept and kept != str(index) else str(index)


def _columns(sample: Sample, names: Sequence[str]) -> Floats:
    columns = [sample.signal_names.index(name) for name in names]
    values = sample.signals[:, columns].astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _classes(old: Ints, new: Ints, class_names: Sequence[str]) -> tuple[tuple[str, ...], Ints]:
    """Labels, and the row of each record's label; no labels where one side has no prediction."""
    both = np.concatenate([old, new])
    if not (old >= 0).any() or not (new >= 0).any():
        return (), np.full(len(both), -1, np.int32)
    found, counts = np.unique(both[both >= 0], return_counts=True)
    frequent = found[np.argsort(-counts, kind="stable")]
    shown = np.sort(frequent[:MOST_CLASSES])
    labels = [safe_label(int(index), class_names) for index in shown]
    codes = np.searchsorted(shown, both).astype(np.int32)
    known = np.isin(both, shown)
    if len(frequent) > MOST_CLASSES:
        labels.append("other")
    codes[~known] = MOST_CLASSES
    codes[both < 0] = -1
    return tuple(labels), codes
