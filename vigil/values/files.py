"""A few files, one after the other, as two arrays: how whole pictures travel in a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def to_arrays(files: Sequence[bytes], prefix: str) -> dict[str, Array]:
    """n files; nothing where all are empty."""
    if not any(files):
        return {}
    return {
        f"{prefix}.bytes": np.frombuffer(b"".join(files), np.uint8),
        f"{prefix}.sizes": np.array([len(one) for one in files], np.int64),
    }


def from_arrays(arrays: Mapping[str, Array], prefix: str, n: int) -> tuple[bytes, ...]:
    """What ``to_arrays`` wrote; () where there are none.

    Raises:
        ValueError: not the sizes of n files.
    """
    if f"{prefix}.sizes" not in arrays:
        return ()
    raw, sizes = arrays[f"{prefix}.bytes"], arrays[f"{prefix}.sizes"]
    ends = np.cumsum(sizes)
    fits = sizes.shape == (n,) and raw.ndim == 1 and raw.dtype == np.uint8
    if not fits or (sizes < 0).any() or (n and int(ends[-1]) != len(raw)):
        raise ValueError(f"{prefix}: expected the sizes of {n} files, found others")
    starts = ends - sizes
    return tuple(raw[a:b].tobytes() for a, b in zip(starts.tolist(), ends.tolist(), strict=True))


def some(files: Sequence[Any], rows: Sequence[int]) -> tuple[Any, ...]:
    """The files of some records; () where there are none."""
    return tuple(files[row] for row in rows) if files else ()


def joined(parts: Sequence[tuple[Sequence[Any], int]], nothing: Any) -> tuple[Any, ...]:
    """Files of several groups of so many records; ``nothing`` for a record without one."""
    if not any(files for files, _ in parts):
        return ()
    return tuple(one for files, n in parts for one in (files or [nothing] * n))


def within(files: Sequence[bytes], *, each: int, total: int) -> tuple[bytes, ...]:
    """The files as long as each has at most so many bytes and all together so many; b"" for those
    that are left out, the last ones first."""
    kept, used = [], 0
    for one in files:
        fits = len(one) <= each and used + len(one) <= total
        kept.append(one if fits else b"")
        used += len(kept[-1])
    return tuple(kept) if any(kept) else ()
