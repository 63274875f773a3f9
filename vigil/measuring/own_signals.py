"""Signals of the caller's own: what may be handed in under which name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.catalogue import CATALOGUE, ON_REQUEST
from vigil.errors import ShapeError
from vigil.signals.declare import DECLARED, MEASURED, Declared, signal
from vigil.signals.families import family_signal, stage_name
from vigil.types import Per, Signal
from vigil.values.arrays import as_column

__all__ = ["load_plugins", "own_numbers", "resolved", "signal"]

MOST = 128
"""Columns that a caller may add; a name that changes with each call must not fill the memory."""
CHARACTERS = "character_confidence"
INSTALLED = "installed"
"""Stands for the modules that installed packages name as entry points of ``vigil.signals``."""


def load_plugins(modules: Sequence[str]) -> tuple[Signal, ...]:
    """Import modules that declare signals; what they declare, by name.

    Raises:
        ValueError: a module that can't be imported, or declares what can't be.
    """
    before = set(DECLARED)
    names = [name for name in modules if name != INSTALLED]
    if INSTALLED in modules:
        from importlib.metadata import entry_points  # slow to import, and seldom asked for

        names += [point.value for point in entry_points(group="vigil.signals")]
    for name in names:
        try:
            import_module(name.partition(":")[0])
        except Exception as error:
            raise ValueError(f"plugins: {name}: {type(error).__name__}: {error}") from error
    wanted = set(names)
    return tuple(
        one
        for name, one in DECLARED.items()
        if name not in before or getattr(MEASURED.get(name), "__module__", "") in wanted
    )


def resolved(signals: Sequence[str | Signal | Declared]) -> tuple[Signal, ...]:
    """The descriptions of signals that a tap is told of.

    Raises:
        ValueError: a name that nothing declares, one twice, or a built-in's with another meaning.
    """
    found: dict[str, Signal] = {}
    for one in signals:
        if isinstance(one, str):
            known = DECLARED.get(one) or family_signal(one)
            if known is None:
                raise ValueError(
                    f"signals: {one!r:.80} is not declared: use @signal, or signal(name, unit=...)"
                )
        else:
            known = one.signal if isinstance(one, Declared) else one
        if found.setdefault(known.name, known) != known:
            raise ValueError(f"signals: {known.name} comes twice, with two meanings")
        if known.name in CATALOGUE and CATALOGUE[known.name] != known:
            raise ValueError(f"signals: {known.name} is vigil's own, with another meaning")
    return tuple(found.values())


def own_numbers(
    signals: Mapping[str, Any] | None,
    stages_s: Mapping[str, Any] | None,
    own: Sequence[Signal],
    n: int,
    refused: Counter[str],
) -> tuple[dict[str, NDArray[np.float64]], list[NDArray[np.float64]] | None]:
    """The caller's numbers that are declared, and the confidence of characters where given.

    A name that nothing declares, or numbers that do not fit, are left out and counted: the record
    itself must not be lost for them.
    """
    known = {one.name for one in own}
    numbers: dict[str, NDArray[np.float64]] = {}
    characters = None
    for name, value in (signals or {}).items():
        if name == CHARACTERS:
            characters = _characters(value, n, refused)
        elif _is_own(str(name), known):
            _keep(str(name), value, n, numbers, refused)
        else:
            refused["unknown_signal"] += 1
    for stage, value in (stages_s or {}).items():
        _keep(stage_name(str(stage)), value, n, numbers, refused)
    return numbers, characters


def _is_own(name: str, known: set[str]) -> bool:
    if name in known:
        return True
    one = DECLARED.get(name)
    return (
        one is not None and one.per == Per.RECORD and (name in ON_REQUEST or name not in CATALOGUE)
    )


def _keep(
    name: str,
    value: Any,
    n: int,
    numbers: dict[str, NDArray[np.float64]],
    refused: Counter[str],
) -> None:
    if len(numbers) >= MOST:
        refused["too_many_signals"] += 1
        return
    try:
        column = as_column(value, f"signals[{name!r}]", n)
    except ShapeError:
        refused["bad_signal"] += 1
        return
    numbers[name] = np.where(np.isfinite(column), column, np.nan)


def _characters(value: Any, n: int, refused: Counter[str]) -> list[NDArray[np.float64]] | None:
    try:
        rows = [np.asarray(one, np.float64).reshape(-1) for one in value]
    except (TypeError, ValueError):
        rows = []
    if len(rows) != n:
        refused["bad_signal"] += 1
        return None
    return rows
