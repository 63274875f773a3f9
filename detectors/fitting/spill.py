"""Rows of numbers kept in memory up to a bound, and beyond it in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


class Spill:
    """An append-only list of float32 matrices, read back in order.

    Args:
        limit_bytes: what may stay in memory; the rest goes to a temporary file, removed on exit.
    """

    def __init__(self, limit_bytes: int = 512 * 2**20) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._blocks: list[Matrix | tuple[int, int]] = []
        self._file: IO[bytes] | None = None

    def close(self) -> None:
        """Remove the file; nothing can be read afterwards."""
        if self._file is not None:
            self._file.close()
        self._blocks.clear()

    def append(self, block: NDArray[Any]) -> None:
        """Keep a matrix (n, d)."""
        matrix = np.array(block, np.float32, order="C")
        if self._held + matrix.nbytes <= self._limit:
            self._held += matrix.nbytes
            self._blocks.append(matrix)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(  # noqa: SIM115 (closed in close)
                prefix="vigil-baseline-"
            )
        self._file.seek(0, 2)
        self._file.write(matrix.tobytes())
        self._blocks.append((matrix.shape[0], matrix.shape[1]))

    def __iter__(self) -> Iterator[Matrix]:
        offset = 0
        for block in self._blocks:
            if isinstance(block, np.ndarray):
                yield block
            elif self._file is not None:
                n, d = block
                self._file.seek(offset)
                raw = self._file.read(4 * n * d)
                offset += len(raw)
                yield np.frombuffer(raw, np.float32).reshape(n, d)
