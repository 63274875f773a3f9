"""Metadata, consent and identifiers of a call, before they leave the process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plain = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
FALSE = frozenset({"", "0", "false", "no", "off", "n", "f", "none", "null", "nan", "denied"})


def consenting(metadata: Plain, keys: Sequence[str], n: int) -> NDArray[np.bool_]:
    """Which of n records may be kept, (n,): those where every key is there and none is false.

    Metadata that fits no such form keeps none: nobody can tell what it says.
    """
    if not keys:
        return np.ones(n, bool)
    nobody = np.zeros(n, bool)
    if isinstance(metadata, Mapping):
        found = np.ones(n, bool)
        for key in keys:
            if key not in metadata:
                return nobody
            value = metadata[key]
            if is_column(value):
                said = plain_list(value)
                if len(said) != n:
                    return nobody
                found &= np.array([_agrees(one) for one in said], bool)
            elif not _agrees(value):
                return nobody
        return found
    if metadata is None or len(metadata) != n:
        return nobody
    return np.array([all(k in row and _agrees(row[k]) for k in keys) for row in metadata], bool)


def _agrees(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in FALSE
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def only(metadata: Plain, allowed: frozenset[str], refused: Callable[[str, int], None]) -> Plain:
    """The metadata without keys that are not allowed; ``refused`` is told each, and how often."""
    if metadata is None:
        return None
    if isinstance(metadata, Mapping):
        for key in metadata:
            if str(key) not in allowed:
                refused(str(key), 1)
        return {key: value for key, value in metadata.items() if str(key) in allowed}
    rows, known = [], dict[int, dict[Any, Any]]()
    for row in list(metadata):  # all at once: rows are told apart by where they are
        kept = known.get(id(row))
        if kept is None:
            kept = known[id(row)] = {k: v for k, v in row.items() if str(k) in allowed}
            for key in row:
                if str(key) not in allowed:
                    refused(str(key), 1)
        rows.append(kept)
    return rows


def replaced(
    metadata: Plain, keys: Sequence[str], change: Callable[[str, list[str]], list[str]]
) -> Plain:
    """The metadata with the values of some keys put through ``change(key, texts)``."""
    if metadata is None or not keys:
        return metadata
    if isinstance(metadata, Mapping):
        found: dict[Any, Any] = dict(metadata)
        for key, value in metadata.items():
            if str(key) in keys and is_column(value):
                found[key] = change(str(key), [str(one) for one in plain_list(value)])
            elif str(key) in keys:
                found[key] = change(str(key), [str(value)])[0]
        return found
    return [
        {k: change(str(k), [str(v)])[0] if str(k) in keys else v for k, v in row.items()}
        for row in metadata
    ]


def is_column(value: Any) -> bool:
    """Whether a value of metadata holds one value for each record."""
    return isinstance(value, list | tuple | np.ndarray) or hasattr(value, "detach")


def plain_list(value: Any) -> list[Any]:
    """A column as a list."""
    found = value.tolist() if hasattr(value, "tolist") else list(value)
    return found if isinstance(found, list) else [found]
