"""What versions said of an evaluation set, record by record, read and put side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.methods.labels.labelled import Floats, Labelled
from monitor.detect.errors import DetectError
from monitor.detect.files import read
from monitor.gate.errors import GateError
from vigil.errors import ShapeError

Bools = NDArray[np.bool_]
Texts = NDArray[np.str_]

IDS = ("id", "ids", "record_id")
LABELS = ("labels", "label")
PREDICTIONS = ("predictions", "prediction", "predicted_class")
PROBABILITIES = "probabilities"
LATENCY, COST = "latency_s", "cost"
ALL_ROWS = 2**31


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evaluation:
    """One version on n labelled records.

    ``right`` (n,). ``labelled``: its probabilities with the truth, where the file has them.
    ``latency_s`` and ``cost`` (n,) likewise. ``columns``: the rest, (n,) texts, for slices.
    """

    name: str
    ids: Texts | None
    labels: Texts
    right: Bools
    labelled: Labelled | None = None
    latency_s: Floats | None = None
    cost: Floats | None = None
    columns: Mapping[str, Texts] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.right)

    def rows(self, pairs: Mapping[str, str]) -> Bools:
        """The records with these values.

        Raises:
            GateError: there is no such column.
        """
        found = np.ones(len(self), bool)
        for key, value in pairs.items():
            if key not in self.columns:
                there = ", ".join(sorted(self.columns)) or "none"
                raise GateError(f"{self.name}: expected a column {key}, found {there}")
            found &= self.columns[key] == value
        return found

    def take(self, at: NDArray[np.int64]) -> Evaluation:
        """These records, in this order."""
        return Evaluation(
            name=self.name,
            ids=None if self.ids is None else self.ids[at],
            labels=self.labels[at],
            right=self.right[at],
            labelled=None if self.labelled is None else self.labelled.take(at),
            latency_s=None if self.latency_s is None else self.latency_s[at],
            cost=None if self.cost is None else self.cost[at],
            columns={name: values[at] for name, values in self.columns.items()},
        )


def load(path: Path) -> Evaluation:
    """An evaluation from an ``.npz``, ``.parquet`` or ``.csv`` file.

    Columns: ``labels``, and ``probabilities`` (n, K) or ``predictions``; ``id``, ``latency_s``,
    ``cost`` and metadata where there are. Rows without a label are left out.

    Raises:
        GateError: a file that can't be read, or lacks labels or predictions.
    """
    try:
        table = read(path, most_rows=ALL_ROWS)
    except DetectError as error:
        raise GateError(str(error)) from None
    if table.unusable:
        why = "; ".join(f"{name}: {reason}" for name, reason in table.unusable.items())
        raise GateError(f"{path}: columns that can't be read: {why}")
    return evaluation(table.columns, name=str(path))


def evaluation(columns: Mapping[str, NDArray[Any]], *, name: str) -> Evaluation:
    """The same of arrays.

    Raises:
        GateError: labels or predictions are missing, or do not fit.
    """
    labels = _one_of(columns, LABELS)
    if labels is None:
        raise GateError(f"{name}: expected a column labels, found {', '.join(columns)}")
    known = _known(labels)
    if not known.any():
        raise GateError(f"{name}: expected labels, found none in {len(labels)} rows")
    probabilities, predictions = columns.get(PROBABILITIES), _one_of(columns, PREDICTIONS)
    labelled = None
    if probabilities is not None:
        labelled = _labelled(probabilities[known], labels[known], name)
        right = labelled.correct
    elif predictions is not None:
        right = _texts(predictions[known]) == _texts(labels[known])
    else:
        raise GateError(
            f"{name}: expected a column probabilities or predictions, found {', '.join(columns)}"
        )
    ids = _one_of(columns, IDS)
    taken = {PROBABILITIES, *LABELS, *PREDICTIONS, *IDS}
    return Evaluation(
        name=name,
        ids=None if ids is None else _texts(ids[known]),
        labels=_texts(labels[known]),
        right=np.asarray(right, bool),
        labelled=labelled,
        latency_s=_numbers(columns, LATENCY, known, name),
        cost=_numbers(columns, COST, known, name),
        columns={
            column: _texts(values[known])
            for column, values in columns.items()
            if column not in taken and values.ndim == 1
        },
    )


def aligned(candidate: Evaluation, control: Evaluation) -> tuple[Evaluation, Evaluation]:
    """Both on the same records in the same order: by id, or row by row where neither has ids.

    Raises:
        GateError: they are not of the same records, or disagree on a label.
    """
    if candidate.ids is not None and control.ids is not None:
        for one in (candidate, control):
            if one.ids is not None and len(np.unique(one.ids)) != len(one):
                raise GateError(f"{one.name}: expected each id once, found some more often")
        _, rows, others = np.intersect1d(candidate.ids, control.ids, return_indices=True)
        if not len(rows):
            raise GateError(f"{candidate.name} and {control.name}: no id is in both")
        candidate, control = candidate.take(rows), control.take(others)
    elif len(candidate) != len(control):
        raise GateError(
            f"{candidate.name} and {control.name}: expected the same records, or a column id; "
            f"found {len(candidate)} and {len(control)} rows"
        )
    apart = np.flatnonzero(candidate.labels != control.labels)
    if len(apart):
        first = int(apart[0])
        where = f"row {first}" if candidate.ids is None else f"id {candidate.ids[first]}"
        mine, theirs = str(candidate.labels[first]), str(control.labels[first])
        raise GateError(
            f"{candidate.name} and {control.name}: expected the same labels, found "
            f"{mine!r:.40} and {theirs!r:.40} at {where}"
        )
    return candidate, control


def _one_of(columns: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> NDArray[Any] | None:
    return next((columns[name] for name in names if name in columns), None)


def _known(labels: NDArray[Any]) -> Bools:
    if labels.dtype.kind == "f":
        return np.asarray(np.isfinite(labels) & (labels >= 0))
    if labels.dtype.kind in "iu":
        return np.asarray(labels >= 0)
    return np.array([one is not None and one != "" for one in labels], bool)


def _labelled(probabilities: NDArray[Any], labels: NDArray[Any], name: str) -> Labelled:
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():
        labels = labels.astype(np.int64)
    try:
        found = Labelled(probabilities=probabilities, labels=labels)
    except ShapeError as error:
        raise GateError(f"{name}: {error}") from None
    if not np.isfinite(found.probabilities).all():
        raise GateError(f"{name}: expected probabilities, found values that are not finite")
    return found


def _texts(values: NDArray[Any]) -> Texts:
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values % 1 == 0).all():
        values = values.astype(np.int64)
    return np.array([str(one) for one in values.tolist()], np.str_)


def _numbers(
    columns: Mapping[str, NDArray[Any]], column: str, known: Bools, name: str
) -> Floats | None:
    if column not in columns:
        return None
    try:
        values = columns[column][known].astype(np.float64)
    except (TypeError, ValueError):
        raise GateError(f"{name}: {column}: expected numbers, found something else") from None
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise GateError(f"{name}: {column}: expected numbers from 0, found others")
    return values
