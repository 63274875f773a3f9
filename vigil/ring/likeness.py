"""Whether a call looks like the one before it, which is far cheaper to see than to work out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class Likeness:
    """What a plain call holds: arrays and numbers, metadata in columns, nothing else.

    Args:
        key: of the call's form (``vigil.ring.encode.Load``).
        names: of all arguments of ``record``.
    """

    __slots__ = ("_absent", "_arrays", "_columns", "_numbers", "_version", "is_plain")

    def __init__(self, key: tuple[Any, ...], names: tuple[str, ...]) -> None:
        self._version = key[0]
        parts = list(zip(key[1::3], key[2::3], key[3::3], strict=True))
        arrays = [(path[0], kind, form) for path, kind, form in parts if not isinstance(kind, str)]
        numbers = [path[0] for path, kind, _ in parts if kind == "n"]
        columns = [(path[1], form) for path, kind, form in parts if kind == "t" and len(path) == 2]
        self._arrays, self._numbers = tuple(arrays), tuple(numbers)
        has_metadata = (("metadata",), "m", 0) in parts
        self._columns = tuple(columns) if has_metadata else None
        given = {name for name, *_ in arrays} | set(numbers)
        self._absent = tuple([name for name in names if name not in given])
        self.is_plain = (
            len(parts) == len(given) + len(columns) + has_metadata
            and len(given) == len(arrays) + len(numbers)
            and all(path[0] == "metadata" or len(path) == 1 for path, *_ in parts)
            and given <= set(names)
        )

    def parts(
        self, version: str, arguments: Mapping[str, Any], metadata: Any
    ) -> tuple[list[Any], list[float], list[Any]] | None:
        """Arrays, numbers and columns of texts of a call that looks alike; None of another."""
        if version != self._version:
            return None
        arrays = []
        for name, dtype, shape in self._arrays:
            value = arguments[name]
            if type(value) is not np.ndarray or value.dtype is not dtype or value.shape != shape:
                return None
            arrays.append(value)
        numbers = []
        for name in self._numbers:
            value = arguments[name]
            if type(value) is not float:
                return None
            numbers.append(value)
        for name in self._absent:
            if arguments[name] is not None:
                return None
        if self._columns is None:
            return (arrays, numbers, []) if metadata is None else None
        if type(metadata) is not dict or len(metadata) != len(self._columns):
            return None
        texts = []
        for (name, length), (key, column) in zip(self._columns, metadata.items(), strict=True):
            if key != name or type(column) is not list or len(column) != length:
                return None
            texts.append(column)
        return arrays, numbers, texts
