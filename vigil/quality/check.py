"""Checks a batch against its baseline's schema."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vigil.quality.counts import MOST_EXAMPLE
from vigil.quality.kinds import DataFault
from vigil.quality.learn import SEGMENTATION
from vigil.quality.schema import ImageForm, Records, Schema, kind_of

ALLOWANCE = 0.1
"""Pixel values may lie so far beyond the baseline's range, as a share of it."""
REQUIRED = 0.99
"""A key that so many of the baseline's records had is missed where a record has none."""
MOST_LOOKED_AT = 32
"""Of a batch, so many different metadata mappings have the kinds of their values looked at."""

Flags = NDArray[np.uint32]
Rows = NDArray[np.bool_] | list[int] | slice
ALL = slice(None)


class _Notes:
    def __init__(self, n: int) -> None:
        self.flags: Flags = np.zeros(n, np.uint32)
        self.examples: dict[str, str] = {}

    def add(self, kind: DataFault, expected: object, found: object, rows: Rows = ALL) -> None:
        self.flags[rows] |= np.uint32(kind.bit)
        text = f"expected {expected}, found {found}"
        self.examples.setdefault(kind.value, text[:MOST_EXAMPLE])


def check(schema: Schema, batch: Records) -> tuple[Flags, dict[str, str]]:
    """The flags of n records, (n,), and an example of each kind: expected and found.

    An example holds sizes, types and names of keys; never a value of a record.
    """
    notes = _Notes(len(batch))
    if batch.image_form is not None:
        _form(schema, batch.image_form, notes)
    _range(schema, batch, notes)
    classes = batch.probabilities.shape[1]
    if batch.task != SEGMENTATION and classes and schema.classes not in (0, classes):
        notes.add(DataFault.CLASSES, schema.classes, classes)
    expected = {"": schema.dimension, **schema.others}
    for name, vectors in (("", batch.embedding), *batch.others.items()):
        size, usual = vectors.shape[1], expected.get(name, 0)
        if usual and size and size != usual:
            what = f" of {name}" if name else ""
            notes.add(DataFault.EMBEDDING_SIZE, f"{usual} dimensions{what}", size)
    if schema.keys:
        _metadata(schema, batch, notes)
    return notes.flags, notes.examples


def _form(schema: Schema, form: ImageForm, notes: _Notes) -> None:
    if schema.channels and form.channels not in schema.channels:
        usual = " or ".join(map(str, schema.channels))
        notes.add(DataFault.IMAGE_CHANNELS, usual, form.channels)
    if schema.sizes and form.size not in schema.sizes:
        notes.add(DataFault.IMAGE_SIZE, " or ".join(schema.sizes), form.size)
    if schema.types and form.kind not in schema.types:
        notes.add(DataFault.IMAGE_TYPE, " or ".join(schema.types), form.kind)


def _range(schema: Schema, batch: Records, notes: _Notes) -> None:
    if schema.low is None or schema.high is None:
        return
    slack = ALLOWANCE * max(schema.high - schema.low, 1e-6)
    low, high = batch.pixel_range[:, 0], batch.pixel_range[:, 1]
    # Comparisons with NaN, where nothing was measured, are false.
    out = (low < schema.low - slack) | (high > schema.high + slack)
    if out.any():
        first = int(np.flatnonzero(out)[0])
        usual = f"{schema.low:.3g} to {schema.high:.3g}"
        notes.add(DataFault.IMAGE_RANGE, usual, f"{low[first]:.3g} to {high[first]:.3g}", out)


def _metadata(schema: Schema, batch: Records, notes: _Notes) -> None:
    required = frozenset(key for key, one in schema.keys.items() if one.share >= REQUIRED)
    known = schema.keys.keys()
    rows_of: dict[int, list[int]] = {}
    for row, metadata in enumerate(batch.metadata):
        rows_of.setdefault(id(metadata), []).append(row)
    for place, rows in enumerate(rows_of.values()):
        metadata = batch.metadata[rows[0]]
        mine = metadata.keys()
        if not required <= mine:
            missing = ", ".join(sorted(required - mine))
            notes.add(DataFault.KEY_MISSING, f"the key {missing}", "none", rows)
        if not mine <= known:
            new = ", ".join(sorted(mine - known))
            notes.add(DataFault.KEY_NEW, "the baseline's keys", new, rows)
        if place < MOST_LOOKED_AT:
            _kinds(schema, metadata, rows, notes)


def _kinds(schema: Schema, metadata: dict[str, str], rows: list[int], notes: _Notes) -> None:
    for key, value in metadata.items():
        one = schema.keys.get(key)
        if one is not None and (kind := kind_of(value)) not in one.kinds:
            notes.add(DataFault.KEY_KIND, f"{key} to be {' or '.join(one.kinds)}", kind, rows)
