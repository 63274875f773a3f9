"""Texts and metadata of records, as they can be stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vigil.errors import ShapeError

Metadata = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

MAX_TEXT = 512
MAX_URI = 8192


def as_metadata(metadata: Metadata, n: int) -> tuple[dict[str, str], ...]:
    """Metadata in any of its three forms as n mappings of text to text, cut at 512 characters.

    Raises:
        ShapeError: neither a mapping nor n mappings, or a column of another length.
    """
    if metadata is None:
        return ({},) * n
    if isinstance(metadata, Mapping):
        columns = {
            _text(key): _column(value, f"metadata[{key!r}]", n)
            for key, value in metadata.items()
            if _is_column(value)
        }
        fixed = {
            _text(key): _text(value) for key, value in metadata.items() if not _is_column(value)
        }
        return _from_columns(fixed, columns) if columns else (fixed,) * n
    rows_in: Any = metadata
    if not isinstance(rows_in, Sequence) or len(rows_in) != n:
        raise ShapeError("metadata", expected=f"a mapping or {n} mappings", found=_brief(rows_in))
    if not all(isinstance(row, Mapping) for row in rows_in):
        raise ShapeError("metadata", expected=f"{n} mappings", found="other values")
    shared = {
        id(row): {_text(key): _text(value) for key, value in row.items()}
        for row in {id(row): row for row in rows_in}.values()
    }
    return tuple([shared[id(row)] for row in rows_in])


def _from_columns(
    fixed: dict[str, str], columns: dict[str, list[str]]
) -> tuple[dict[str, str], ...]:
    """One mapping per row; rows that are equal share one."""
    shared: dict[tuple[str, ...], dict[str, str]] = {}
    rows = []
    for values in zip(*columns.values(), strict=True):
        row = shared.get(values)
        if row is None:
            row = shared[values] = {**fixed, **dict(zip(columns, values, strict=True))}
        rows.append(row)
    return tuple(rows)


def _is_column(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) or hasattr(value, "detach")


def _column(value: Any, what: str, n: int) -> list[str]:
    values = value.tolist() if hasattr(value, "tolist") else list(value)
    if not isinstance(values, list) or len(values) != n:
        raise ShapeError(what, expected=f"{n} values", found=_brief(value))
    if set(map(type, values)) == {str}:
        known = {item: _text(item) for item in set(values)}
        return [known[item] for item in values]
    return [_text(item) for item in values]


def texts_of(values: Sequence[str | None] | None, what: str, n: int) -> tuple[str, ...]:
    """n strings, "" where there is none.

    Raises:
        ShapeError: another number of them.
    """
    if values is None:
        return ("",) * n
    if isinstance(values, str | bytes) or len(values) != n:
        raise ShapeError(what, expected=f"{n} strings", found=_brief(values))
    texts = ["" if value is None else str(value) for value in values]
    return clean_texts(tuple([text if len(text) <= MAX_URI else "" for text in texts]))


def _text(value: Any) -> str:
    return clean_text(str(value)[:MAX_TEXT])


def clean_text(text: str) -> str:
    """The same text without what can't be stored: NUL and lone surrogates become ``?``."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def clean_texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    """``clean_text`` of each."""
    return texts if "".join(texts).isprintable() else tuple(map(clean_text, texts))


def _brief(value: Any) -> str:
    return f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else repr(value)
