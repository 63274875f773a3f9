"""Columns of two tables in pairs: of which kind each is, and what can't be compared. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detector import Takes
from detectors.methods.labels.labelled import Labelled
from vigil.errors import ShapeError
from vigil.signals.images import IMAGE_SIGNALS, as_images, image_signals

Array = NDArray[Any]
Bools = NDArray[np.bool_]

FEW_INTEGERS = 20
"""An integer column of no more different values is a category."""
FEW_TEXTS = 50
TEXT_SHARE = 0.1
"""A text column of more different values than ``FEW_TEXTS`` and this share of its rows names
things one by one, and can't be compared."""
CLASS_NAMES = frozenset(
    "class classes label labels predicted_class prediction predictions target targets truth".split()
)
PROBABILITIES, LABELS = "probabilities", "labels"
_MEASURED_IMAGES = 2000


class _Form(StrEnum):
    NUMBERS = "numbers"
    INTEGERS = "integers"
    TEXTS = "texts"
    VECTORS = "vectors"
    IMAGES = "images"
    TIMES = "times"
    OTHER = "something else"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pair:
    """A column of both tables, ready for detectors that take its kind.

    ``reference`` and ``current``: (n,) numbers, (n,) labels, (n, d) numbers or ``Labelled``.
    ``missing``: of each side, the rows without a usable value (of a category they are left out of
    the values: ``rows`` says which rows the values are).
    """

    name: str
    kind: Takes
    reference: Any
    current: Any
    missing: tuple[Bools, Bools]

    @property
    def empty(self) -> tuple[bool, bool]:
        return bool(self.missing[0].all()), bool(self.missing[1].all())


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """All columns of two tables: what can be compared, what differs, what is left out and why."""

    pairs: tuple[Pair, ...]
    schema: tuple[str, ...]
    mismatched: Mapping[str, str]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]


def pair_columns(
    reference: Mapping[str, Array], current: Mapping[str, Array], wanted: Collection[str] | None
) -> Paired:
    """Every column that both tables have (and that is ``wanted``), by its kind."""
    schema: list[str] = []
    mismatched: dict[str, str] = {}
    left_out: dict[str, str] = {}
    notes: list[str] = []
    pairs: list[Pair] = []
    for name in [*reference, *(name for name in current if name not in reference)]:
        if wanted is not None and name not in wanted:
            continue
        if name not in current or name not in reference:
            side = "reference" if name in reference else "current table"
            schema.append(f"{name}: only in the {side}")
            continue
        x, y = _column(reference[name]), _column(current[name])
        found = _form(x, name), _form(y, name)
        reason = _apart(found, x, y)
        if reason:
            mismatched[name] = reason
            schema.append(f"{name}: {reason}")
        elif found[0] is _Form.IMAGES:
            pairs += _images(name, x, y, left_out, notes)
        else:
            made = _pair(name, found, x, y)
            if isinstance(made, str):
                left_out[name] = made
            else:
                pairs.append(made)
    pairs += _predictions(pairs, reference, current, notes)
    return Paired(
        pairs=tuple(pairs),
        schema=tuple(schema),
        mismatched=mismatched,
        left_out=left_out,
        notes=tuple(notes),
    )


def _column(values: Any) -> Array:
    array = np.asarray(values)
    if array.dtype.kind == "O" and array.ndim == 1:
        present = [one for one in array if one is not None]
        if present and all(isinstance(one, int | float | np.number) for one in present):
            return np.array([np.nan if one is None else one for one in array], np.float64)
    if array.dtype.kind == "S":
        return array.astype("U")
    return array


def _form(array: Array, name: str) -> _Form:
    kind = array.dtype.kind
    if array.ndim == 1:
        if kind == "f":
            return _Form.NUMBERS
        if kind in "iu":
            return _Form.INTEGERS
        return _Form.TIMES if kind in "Mm" else _Form.TEXTS if kind in "bUO" else _Form.OTHER
    if kind in "fiu":
        if array.ndim == 2:
            return _Form.VECTORS
        if array.ndim == 4 or (array.ndim == 3 and "image" in name.lower()):
            return _Form.IMAGES
    return _Form.OTHER


def _apart(found: tuple[_Form, _Form], x: Array, y: Array) -> str:
    """Why two columns of one name can't be compared; empty where they can."""
    numeric = {_Form.NUMBERS, _Form.INTEGERS}
    if found[0] is not found[1] and not set(found) <= numeric:
        # A column without any value is of any kind.
        if x.ndim == y.ndim == 1 and (_missing(x).all() or _missing(y).all()):
            return ""
        return f"{found[0].value} in the reference, {found[1].value} now"
    if found[0] is _Form.VECTORS and x.shape[1] != y.shape[1]:
        return f"vectors of {x.shape[1]:,} in the reference, of {y.shape[1]:,} now"
    return ""


def _pair(name: str, found: tuple[_Form, _Form], x: Array, y: Array) -> Pair | str:
    """A pair, or why there is none."""
    missing = _missing(x), _missing(y)
    form = found[1] if missing[0].all() else found[0]
    if form is _Form.TIMES:
        return "a time: two tables differ in it as a matter of course"
    if form is _Form.OTHER:
        return f"{x.dtype} of shape {x.shape}: expected numbers, texts or (n, d) vectors"
    if form is _Form.VECTORS:
        if x.shape[1] == 0:
            return "vectors of no numbers"
        if x.shape[1] == 1:
            return Pair(
                name=name,
                kind=Takes.SCALAR,
                reference=x[:, 0].astype(np.float64),
                current=y[:, 0].astype(np.float64),
                missing=missing,
            )
        kind = Takes.PROBABILITIES if name == PROBABILITIES else Takes.EMBEDDING
        return Pair(name=name, kind=kind, reference=x, current=y, missing=missing)
    if form is _Form.TEXTS:
        return _texts(name, x, y, missing)
    if set(found) == {_Form.INTEGERS}:
        different = len(np.unique(np.concatenate([x, y])))
        if name.lower() in CLASS_NAMES or different <= FEW_INTEGERS:
            return Pair(name=name, kind=Takes.CATEGORY, reference=x, current=y, missing=missing)
        if _is_identifier(name) and all(len(np.unique(side)) == len(side) for side in (x, y)):
            return "an identifier: every row has its own"
    return Pair(
        name=name, kind=Takes.SCALAR, reference=_numbers(x), current=_numbers(y), missing=missing
    )


def _texts(name: str, x: Array, y: Array, missing: tuple[Bools, Bools]) -> Pair | str:
    left, right = (_labels(side, gone) for side, gone in zip((x, y), missing, strict=True))
    present = np.concatenate([left[~missing[0]], right[~missing[1]]])
    different = len(np.unique(present))
    if different > max(FEW_TEXTS, TEXT_SHARE * len(present)) and name.lower() not in CLASS_NAMES:
        return f"{different:,} different texts in {len(present):,} rows: names, not categories"
    return Pair(name=name, kind=Takes.CATEGORY, reference=left, current=right, missing=missing)


def _missing(array: Array) -> Bools:
    """Rows without a usable value."""
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        return np.asarray(~(finite if array.ndim == 1 else finite.reshape(len(array), -1).all(1)))
    if array.dtype.kind == "O" and array.ndim == 1:
        return np.array([one is None or _is_nan(one) for one in array], bool)
    if array.dtype.kind in "Mm":
        return np.asarray(np.isnat(array))
    return np.zeros(len(array), bool)


def _is_nan(value: object) -> bool:
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _labels(array: Array, missing: Bools) -> Array:
    """Texts, empty where missing."""
    if array.dtype.kind == "b":
        return np.where(array, "true", "false")
    words = ["" if gone else str(one) for one, gone in zip(array, missing, strict=True)]
    return np.array(words, np.str_)


def _numbers(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype.kind in "fiu" else np.full(len(array), np.nan)


def _is_identifier(name: str) -> bool:
    lower = name.lower()
    return lower in ("id", "ids", "index", "uuid") or lower.endswith(("_id", "_index"))


def _images(
    name: str, x: Array, y: Array, left_out: dict[str, str], notes: list[str]
) -> list[Pair]:
    """Images as the numbers that vigil measures of each."""
    sides = []
    for side in (x, y):
        try:
            # Evenly spread rows; measuring every pixel of a large table takes minutes.
            at = np.unique(
                np.linspace(0, len(side) - 1, min(len(side), _MEASURED_IMAGES)).astype(int)
            )
            values = np.full((len(side), len(IMAGE_SIGNALS)), np.nan)
            values[at] = image_signals(as_images(side[at], len(at)))
        except ShapeError as error:
            left_out[name] = str(error)
            return []
        if len(at) < len(side):
            notes.append(
                f"{name}: {len(at):,} of {len(side):,} images were measured, evenly spread"
            )
        sides.append(values)
    found = []
    for column, signal in enumerate(IMAGE_SIGNALS):
        left, right = sides[0][:, column], sides[1][:, column]
        missing = ~np.isfinite(left), ~np.isfinite(right)
        # Grey images have no saturation, on either side.
        if not (missing[0].all() and missing[1].all()):
            found.append(
                Pair(
                    name=f"{name}.{signal}",
                    kind=Takes.SCALAR,
                    reference=left,
                    current=right,
                    missing=missing,
                )
            )
    return found


def _predictions(
    pairs: list[Pair],
    reference: Mapping[str, Array],
    current: Mapping[str, Array],
    notes: list[str],
) -> list[Pair]:
    """What follows from class probabilities: confidence, predicted class, and with labels more."""
    given = next((one for one in pairs if one.kind is Takes.PROBABILITIES), None)
    if given is None:
        return []
    sides = given.reference, given.current
    gone = given.missing
    found = [
        Pair(
            name="confidence",
            kind=Takes.SCALAR,
            reference=np.where(gone[0], np.nan, sides[0].max(axis=1)),
            current=np.where(gone[1], np.nan, sides[1].max(axis=1)),
            missing=gone,
        ),
        Pair(
            name="predicted_class",
            kind=Takes.CATEGORY,
            reference=np.nan_to_num(sides[0], nan=-1.0).argmax(axis=1),
            current=np.nan_to_num(sides[1], nan=-1.0).argmax(axis=1),
            missing=gone,
        ),
    ]
    found = [one for one in found if one.name not in reference and one.name not in current]
    labels = [
        np.asarray(table[LABELS]) if LABELS in table else None for table in (reference, current)
    ]
    if labels[0] is not None:
        try:
            found.append(
                Pair(
                    name="accuracy and calibration",
                    kind=Takes.LABELLED,
                    reference=Labelled(probabilities=sides[0], labels=labels[0]),
                    current=Labelled(probabilities=sides[1], labels=labels[1]),
                    missing=gone,
                )
            )
        except ShapeError as error:
            notes.append(f"accuracy and calibration are not judged: {error}")
    return found
