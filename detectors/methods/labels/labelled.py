"""``Labelled``: what a classifier said of n records, with the truth where it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigil.errors import ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNKNOWN = -1
"""The label of a record whose truth has not arrived."""
SUM_TOLERANCE = 0.01
"""Rows may miss a sum of one by this much: half-precision softmax over many classes does."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Class probabilities of n records and their true classes.

    Detectors of accuracy without labels take a current sample with ``labels=None``.

    Attributes:
        probabilities: (n, K), K >= 2, each row in [0, 1] and summing to 1. A row with a value that
            is not finite is kept here; detectors leave it out and count it.
        labels: (n,) integers 0..K-1, or -1 where the truth is not known (such a record is left out
            and counted where labels are needed); None where no label is known.

    Raises:
        ShapeError: a shape does not fit; probabilities outside [0, 1] or rows that do not sum to
            one (logits?); labels that are no integers, or beyond the classes.

    Example:
        >>> sample = Labelled(probabilities=[[0.9, 0.1], [0.3, 0.7]], labels=[0, 0])
        >>> sample.correct
        array([ True, False])
        >>> Labelled(probabilities=[[2.0, -1.0]])
        Traceback (most recent call last):
        ...
        vigil.errors.ShapeError: probabilities: expected values in [0, 1], found -1 to 2
    """

    probabilities: Floats
    labels: Ints | None = None

    def __init__(self, *, probabilities: ArrayLike, labels: ArrayLike | None = None) -> None:
        table = _probabilities(probabilities)
        object.__setattr__(self, "probabilities", table)
        object.__setattr__(self, "labels", None if labels is None else _labels(labels, table))

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def classes(self) -> int:
        """K."""
        return int(self.probabilities.shape[1])

    @property
    def predicted(self) -> Ints:
        """(n,): the class of the largest probability; the first of equals."""
        best: Ints = self.probabilities.argmax(axis=1).astype(np.int64)
        return best

    @property
    def confidence(self) -> Floats:
        """(n,): the largest probability."""
        top: Floats = self.probabilities.max(axis=1)
        return top

    @property
    def truth(self) -> Ints:
        """(n,): the labels.

        Raises:
            ShapeError: there are none.
        """
        if self.labels is None:
            raise ShapeError("labels", expected=f"({len(self)},) integers", found="None")
        return self.labels

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(n,): the predicted class is the true one.

        Raises:
            ShapeError: there are no labels.
        """
        right: NDArray[np.bool_] = self.predicted == self.truth
        return right

    def take(self, rows: ArrayLike) -> Labelled:
        """The records at these indices, or under this mask; not checked again."""
        at = np.asarray(rows)
        labels = None if self.labels is None else self.labels[at]
        return _trusted(self.probabilities[at], labels)

    def usable(self, *, with_labels: bool = True) -> tuple[Labelled, int]:
        """The records whose probabilities are finite (and whose label is known), and how many are
        not.

        Raises:
            ShapeError: labels are asked for and there are none.
        """
        keep = np.isfinite(self.probabilities).all(axis=1)
        if with_labels:
            keep &= self.truth != UNKNOWN
        return self.take(keep), int(len(self) - keep.sum())


def concatenate(samples: Sequence[Labelled]) -> Labelled:
    """All records of some samples, in order; labels are kept where every sample has them.

    Raises:
        ShapeError: no samples, or not the same classes.
    """
    if len({sample.classes for sample in samples}) != 1:
        found = ", ".join(str(sample.classes) for sample in samples) or "no samples"
        raise ShapeError("samples", expected="the same number of classes", found=found)
    known = [sample.labels for sample in samples if sample.labels is not None]
    labels = np.concatenate(known) if len(known) == len(samples) else None
    return _trusted(np.concatenate([sample.probabilities for sample in samples]), labels)


def same_classes(reference: Labelled, current: Labelled) -> int:
    """K of both.

    Raises:
        ShapeError: they differ, or one is no ``Labelled``.
    """
    for what, sample in (("reference", reference), ("current", current)):
        if not isinstance(sample, Labelled):
            raise ShapeError(what, expected="Labelled", found=type(sample).__name__)
    if reference.classes != current.classes:
        raise ShapeError(
            "current",
            expected=f"{reference.classes} classes, as the reference has",
            found=f"{current.classes}",
        )
    return reference.classes


def usable_pair(
    reference: Labelled, current: Labelled, *, current_labels: bool = True
) -> tuple[Labelled, Labelled, tuple[int, int]]:
    """The usable records of both sides and how many were left out; the reference needs labels.

    Raises:
        ShapeError: see ``same_classes``; labels that are needed are missing.
    """
    same_classes(reference, current)
    before, lost_before = reference.usable()
    now, lost_now = current.usable(with_labels=current_labels)
    return before, now, (lost_before, lost_now)


def _trusted(probabilities: Floats, labels: Ints | None) -> Labelled:
    sample = object.__new__(Labelled)
    object.__setattr__(sample, "probabilities", probabilities)
    object.__setattr__(sample, "labels", labels)
    return sample


def _probabilities(given: ArrayLike) -> Floats:
    try:
        table = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError("probabilities", expected="(n, K) numbers", found=str(error)) from error
    if table.ndim != 2 or table.shape[1] < 2:
        raise ShapeError(
            "probabilities", expected="(n, K) with K >= 2", found=f"shape {table.shape}"
        )
    usable = table[np.isfinite(table).all(axis=1)]
    if not usable.size:
        return table
    low, high = float(usable.min()), float(usable.max())
    if low < -1e-6 or high > 1.0 + SUM_TOLERANCE:
        raise ShapeError(
            "probabilities", expected="values in [0, 1]", found=f"{low:.6g} to {high:.6g}"
        )
    sums = usable.sum(axis=1)
    worst = float(sums[np.abs(sums - 1.0).argmax()])
    if abs(worst - 1.0) > SUM_TOLERANCE:
        raise ShapeError("probabilities", expected="rows that sum to 1", found=f"{worst:.6g}")
    return table


def _labels(given: ArrayLike, table: Floats) -> Ints:
    labels = np.asarray(given)
    rows, classes = table.shape
    if labels.shape != (rows,):
        raise ShapeError("labels", expected=f"({rows},)", found=f"shape {labels.shape}")
    if labels.size == 0:
        return labels.astype(np.int64)
    if labels.dtype.kind not in "iu":
        raise ShapeError("labels", expected="integers", found=f"{labels.dtype}")
    low, high = int(labels.min()), int(labels.max())
    if low < UNKNOWN or high >= classes:
        raise ShapeError(
            "labels", expected=f"0..{classes - 1}, or -1 for unknown", found=f"{low} to {high}"
        )
    return labels.astype(np.int64)
