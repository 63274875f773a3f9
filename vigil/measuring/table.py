"""The columns of a batch: which signals it has, and their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.catalogue import CATALOGUE, ON_REQUEST, TASK_SIGNALS
from vigil.signals.declare import MEASURED
from vigil.signals.view import View
from vigil.types import Per, Signal, Task

Floats = NDArray[np.float64]

_FIRST = {task: frozenset(names) for task, names in TASK_SIGNALS.items()}
_ASKED = frozenset(ON_REQUEST) - {"batch_size"}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Table:
    """``values`` (n, S) of each record, ``items`` (M, P) of each box; NaN is missing."""

    names: tuple[str, ...]
    values: Floats
    item_names: tuple[str, ...]
    items: Floats


def measured(view: View, task: Task, own: Sequence[Signal], refused: Counter[str]) -> Table:
    """All signals of the records of a view.

    Every signal of the task has a column, of NaN where what it needs was not given. Then come
    signals of other tasks for which something was given (boxes of a classifier), and the caller's
    own. A function of the caller's that fails, or returns what does not fit, costs its column only:
    NaN, and counted.
    """
    boxes = 0 if view.objects is None else len(view.objects)
    record: dict[str, Any] = {}
    item: dict[str, Any] = {}
    for name, one in CATALOGUE.items():
        function = MEASURED.get(name)
        if function is None or (name in _ASKED and name not in _FIRST[task]):
            continue
        column = function(view)
        if column is not None or name in _FIRST[task]:
            (item if one.per == Per.BOX else record)[name] = column
    ordered = {name: record.pop(name) for name in TASK_SIGNALS[task] if name in record}
    ordered |= record
    ordered |= view.given
    for signal in own:
        function = MEASURED.get(signal.name)
        per_box = signal.per == Per.BOX
        if function is not None:
            column = _tried(function, view, boxes if per_box else view.n, signal.name, refused)
            (item if per_box else ordered)[signal.name] = column
        elif not per_box:
            ordered.setdefault(signal.name, None)
    return Table(
        names=tuple(ordered),
        values=_matrix(list(ordered.values()), view.n),
        item_names=tuple(item),
        items=_matrix(list(item.values()), boxes),
    )


def _tried(function: Any, view: View, rows: int, name: str, refused: Counter[str]) -> Any:
    try:
        column = function(view)
        if column is None:
            return None
        values = np.asarray(column, np.float64)
        if values.shape not in ((rows,), ()):
            raise ValueError(f"expected ({rows},), found {values.shape}")
    except Exception:
        # A user's function must not cost the record, nor the other signals.
        refused[f"signal_failed:{name}"] += 1
        return None
    return np.where(np.isfinite(values), values, np.nan)


def _matrix(columns: Sequence[Any], rows: int) -> Floats:
    table = np.full((rows, len(columns)), np.nan)
    for place, column in enumerate(columns):
        if column is not None:
            table[:, place] = column
    return table
