"""npz and Parquet files as batches of columns."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from monitor.baselines.boxes import RAGGED
from vigil.errors import BaselineError

ROWS = 2048


def npz_columns(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The arrays of an npz file, ``ROWS`` rows at a time; nothing pickled is read.

    Raises:
        BaselineError: not an npz file, or its arrays differ in length.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise BaselineError(f"{path}: expected an npz file of arrays, found {error}") from None
    lengths = {name: len(array) if array.ndim else 0 for name, array in columns.items()}
    if len(set(lengths.values())) != 1:
        raise BaselineError(f"{path}: expected arrays of one length, found {lengths}")
    n = next(iter(lengths.values()))
    for start in range(0, n, ROWS):
        part = {name: array[start : start + ROWS] for name, array in columns.items()}
        yield part, min(ROWS, n - start)


def parquet_columns(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The columns of a Parquet file, ``ROWS`` rows at a time; lists of numbers become (n, d), and
    those of ``RAGGED`` columns stay lists of any length.

    Raises:
        BaselineError: not a Parquet file, or lists of several lengths in one column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS):
                columns = {
                    name: _column(batch.column(i), name, f"{path}: {name}")
                    for i, name in enumerate(batch.schema.names)
                }
                yield columns, batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise BaselineError(f"{path}: expected a Parquet file, found {error}") from None


def _column(array: Any, name: str, where: str) -> Any:
    import pyarrow as pa

    kind = array.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        rows = array.to_pylist()
        if name in RAGGED:
            return [[] if row is None else row for row in rows]
        width = next((len(row) for row in rows if row is not None), 0)
        if any(row is not None and len(row) != width for row in rows):
            raise BaselineError(f"{where}: expected lists of {width}, found another length")
        blank = [None] * width
        return np.array([blank if row is None else row for row in rows], np.float64)
    if pa.types.is_floating(kind) or (pa.types.is_integer(kind) and array.null_count == 0):
        return array.to_numpy(zero_copy_only=False)
    return array.to_pylist()
