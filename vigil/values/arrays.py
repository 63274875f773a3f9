"""What callers hand in as plain arrays: numpy, torch (any device, bfloat16 too), nested lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import ShapeError


def as_numpy(value: Any, what: str) -> NDArray[Any]:
    """``value`` as a numeric array; torch tensors leave the graph and the device first.

    Raises:
        ShapeError: ragged, or not numbers.
    """
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        tensor = value.detach()
        if str(tensor.dtype) == "torch.bfloat16":
            tensor = tensor.float()
        array: NDArray[Any] = np.asarray(tensor.numpy(force=True))
    else:
        try:
            array = np.asarray(value)
        except (ValueError, TypeError) as error:
            raise ShapeError(what, expected="an array of numbers", found=str(error)) from None
    if array.dtype.kind not in "buif":
        raise ShapeError(what, expected="an array of numbers", found=f"type {array.dtype}")
    return array


def as_rows(value: Any, what: str, n: int) -> NDArray[np.float32]:
    """``value`` as float32 (n, d).

    Raises:
        ShapeError: another number of dimensions or rows.
    """
    array = as_numpy(value, what)
    if array.ndim != 2 or array.shape[0] != n:
        raise ShapeError(what, expected=f"({n}, d)", found=str(array.shape))
    return to_float32(array)


def as_column(value: Any, what: str, n: int) -> NDArray[np.float64]:
    """One number per record, (n,); a single number holds for all of them.

    Raises:
        ShapeError: neither one number nor n.
    """
    array = as_numpy(value, what)
    if array.ndim == 0:
        return np.full(n, float(array), np.float64)
    if array.shape != (n,):
        raise ShapeError(what, expected=f"one number or ({n},)", found=str(array.shape))
    return array.astype(np.float64)


def to_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """As float32; what is too large for it becomes infinite, which counts as missing."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array, np.float32)


def embeddings_of(value: Any, n: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """The main embedding, and the others by name.

    Raises:
        ShapeError: as ``as_rows``.
    """
    if value is None:
        return np.zeros((n, 0), np.float32), {}
    if not isinstance(value, Mapping):
        return as_rows(value, "embeddings", n), {}
    rows = {str(name): as_rows(one, f"embeddings[{name!r}]", n) for name, one in value.items()}
    main = rows.pop("main" if "main" in rows else next(iter(rows), ""), None)
    return np.zeros((n, 0), np.float32) if main is None else main, rows
