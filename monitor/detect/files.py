"""Parquet, npz and CSV files as tables; of large ones a uniform random sample, and it is said."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detector import ALPHA
from monitor.detect.compare import compare_tables
from monitor.detect.errors import DetectError
from monitor.detect.report import Report

MOST_ROWS = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A file's columns. ``unusable``: columns that can't be read, and why."""

    name: str
    columns: Mapping[str, NDArray[Any]]
    rows: int
    rows_in_file: int
    unusable: Mapping[str, str] = field(default_factory=dict)


def detect_files(
    reference: str | Path,
    current: str | Path,
    *,
    most_rows: int = MOST_ROWS,
    seed: int = 0,
    columns: Collection[str] | None = None,
    by: Sequence[str] = (),
    detectors: Sequence[str] = (),
    alpha: float = ALPHA,
    tolerances: Mapping[str, float] | None = None,
) -> Report:
    """``compare_tables`` of two files; of a file with more than ``most_rows`` rows so many are
    drawn at random.

    Raises:
        DetectError: a file that is not there or can't be read; and see ``compare_tables``.
    """
    tables = [read(Path(one), most_rows=most_rows, seed=seed) for one in (reference, current)]
    notes = [
        f"{one.name}: {one.rows:,} of {one.rows_in_file:,} rows, drawn at random (--most-rows)"
        for one in tables
        if one.rows < one.rows_in_file
    ]
    unusable = {
        column: f"{one.name}: {why}" for one in tables for column, why in one.unusable.items()
    }
    usable = [
        {name: array for name, array in one.columns.items() if name not in unusable}
        for one in tables
    ]
    for one, left in zip(tables, usable, strict=True):
        if not left:
            raise DetectError(f"{one.name}: no usable column: {'; '.join(unusable.values())}")
    names = (tables[0].name, tables[1].name)
    if names[0] == names[1]:
        names = (f"{names[0]} (reference)", f"{names[1]} (current)")
    return compare_tables(
        *usable,
        columns=columns,
        by=by,
        detectors=detectors,
        alpha=alpha,
        tolerances=tolerances,
        names=names,
        notes=notes,
        left_out=unusable,
        seed=seed,
    )


def read(path: Path, *, most_rows: int = MOST_ROWS, seed: int = 0) -> Table:
    """Raises:
    DetectError: not there, not of these forms, damaged, or without rows.
    """
    readers: Mapping[str, Callable[[Path, int, int], Table]] = {
        ".npz": _npz,
        ".parquet": _parquet,
        ".pq": _parquet,
        ".csv": _csv,
    }
    if most_rows < 2:
        raise DetectError(f"--most-rows: expected 2 or more, found {most_rows}")
    if not path.exists():
        raise DetectError(f"{path}: expected a file, found none")
    if path.is_dir():
        raise DetectError(f"{path}: expected a file, found a folder")
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DetectError(
            f"{path}: expected .parquet, .npz or .csv, found {path.suffix or 'no ending'}"
        )
    table = reader(path, most_rows, seed)
    if not table.columns and table.unusable:
        reasons = "; ".join(f"{name}: {why}" for name, why in table.unusable.items())
        raise DetectError(f"{path}: no usable column: {reasons}")
    if not table.rows_in_file:
        raise DetectError(f"{path}: expected rows, found none")
    return table


def _drawn(rows: int, most: int, seed: int) -> NDArray[np.int64] | None:
    """The rows to keep, in order; None for all."""
    if rows <= most:
        return None
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(rows, size=most, replace=False))


def _npz(path: Path, most: int, seed: int) -> Table:
    columns: dict[str, NDArray[Any]] = {}
    lengths: dict[str, int] = {}
    unusable: dict[str, str] = {}
    try:
        # Opened here: numpy leaves a file that it can't read open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            for name in file.files:
                try:
                    array = file[name]
                except ValueError as error:
                    # A pickled array could run code when it is read.
                    unusable[name] = f"expected numbers or texts, found {error}"
                    continue
                if array.ndim == 0:
                    unusable[name] = "expected one value a row, found a single value"
                    continue
                lengths[name] = len(array)
                at = _drawn(len(array), most, seed)
                columns[name] = array if at is None else array[at]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise DetectError(f"{path}: expected an npz file of arrays, found {error}") from None
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DetectError(f"{path}: expected arrays of one length, found {shown}")
    total = next(iter(lengths.values()), 0)
    return Table(
        name=str(path),
        columns=columns,
        rows=min(total, most),
        rows_in_file=total,
        unusable=unusable,
    )


def _parquet(path: Path, most: int, seed: int) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            total = file.metadata.num_rows
            at = _drawn(total, most, seed)
            if at is None:
                table = file.read()
            else:
                kept, start = [], 0
                for batch in file.iter_batches():
                    inside = at[(at >= start) & (at < start + batch.num_rows)] - start
                    kept.append(batch.take(pa.array(inside)))
                    start += batch.num_rows
                table = pa.Table.from_batches(kept)
    except (OSError, pa.ArrowException) as error:
        raise DetectError(f"{path}: expected a Parquet file, found {_first(error)}") from None
    return _of_arrow(path, table, total)


def _csv(path: Path, most: int, seed: int) -> Table:
    import pyarrow as pa
    from pyarrow import csv

    try:
        table = csv.read_csv(path)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise DetectError(
            f"{path}: expected a CSV file with a line of names, found {_first(error)}"
        ) from None
    total = table.num_rows
    at = _drawn(total, most, seed)
    return _of_arrow(path, table if at is None else table.take(pa.array(at)), total)


def _of_arrow(path: Path, table: Any, total: int) -> Table:
    columns: dict[str, NDArray[Any]] = {}
    unusable: dict[str, str] = {}
    for name in table.column_names:
        try:
            columns[name] = _array(table.column(name).combine_chunks())
        except (ValueError, TypeError) as error:
            unusable[name] = str(error)
    return Table(
        name=str(path),
        columns=columns,
        rows=table.num_rows,
        rows_in_file=total,
        unusable=unusable,
    )


def _array(array: Any) -> NDArray[Any]:
    """A column as an array; lists of numbers of one length become (n, d), NaN where missing."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = kind.value_type
        if not (pa.types.is_floating(inner) or pa.types.is_integer(inner)):
            raise TypeError(f"expected lists of numbers, found lists of {inner}")
        return _vectors(array)
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        if pa.types.is_decimal(kind) or array.null_count:
            array = array.cast(pa.float64())
        return np.asarray(array.to_numpy(zero_copy_only=False))
    if pa.types.is_temporal(kind):
        return np.full(len(array), np.datetime64("2000-01-01"))
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array(array.to_pylist(), object)
    raise TypeError(f"expected numbers, texts or lists of numbers, found {kind}")


def _vectors(array: Any) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.unique(pc.list_value_length(array).drop_null()).to_pylist()
    if len(lengths) > 1:
        raise ValueError(f"expected lists of one length, found {min(lengths)} to {max(lengths)}")
    width = lengths[0] if lengths else 0
    present = np.asarray(array.is_valid().to_numpy(zero_copy_only=False), bool)
    # flatten() skips the missing lists.
    values = pc.list_flatten(array).cast(pa.float64()).to_numpy(zero_copy_only=False)
    out = np.full((len(array), width), np.nan)
    out[present] = values.reshape(-1, width) if width else out[present]
    return out


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
