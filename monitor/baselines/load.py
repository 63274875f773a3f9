"""Records known to be good, wherever they are: what baselines and back-fills are built from."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.baselines.columns import fields_of, labels_of
from monitor.baselines.folders import folder_columns
from monitor.baselines.tables import npz_columns, parquet_columns
from vigil.errors import BaselineError, ShapeError
from vigil.measuring.batch import RecordBatch
from vigil.measuring.measure import Measure
from vigil.recording.intake import rows_of
from vigil.signals.predictions import OutputsAre
from vigil.types import Signal, Task

TABLES = ("predictions.csv", "predictions.jsonl")

Labelled = tuple[RecordBatch, NDArray[np.int64] | None]


def load_batches(
    origin: str,
    *,
    model: str,
    version: str,
    keys: Sequence[str] = (),
    outputs_are: OutputsAre = "probabilities",
    thumbnails: bool = False,
    task: Task = "classification",
    signals: Sequence[str | Signal] = (),
    plugins: Sequence[str] = (),
) -> Iterator[Labelled]:
    """Records and their labels, batch by batch.

    Args:
        origin: an ``.npz`` or ``.parquet`` file; a folder of such files, or of images with
            ``predictions.csv`` or ``predictions.jsonl``; or ``module:callable`` (or an iterable,
            such as a DataLoader) that yields mappings of ``Tap.record``'s arguments and ``labels``.
        model: names the records.
        version: the model version that made them.
        keys: metadata keys that every record of a table must have.
        outputs_are: what ``outputs`` hold; a column ``logits`` says so itself.
        thumbnails: keep small copies of the images.
        task: what the model does; frames of a tracker come in order.
        signals: signals of the user's own that columns hold; ``plugins``: modules that declare
            them.

    Yields:
        A batch and its labels (n,), -1 where a record has none; None where nothing is labelled.
        Records without a time have time 0.

    Raises:
        BaselineError: what can't be read, with file and row; a task or signal that is none.
    """
    counter = 0
    try:
        measure = Measure(task=task, signals=signals, plugins=plugins, keys=keys)
    except ValueError as error:
        raise BaselineError(str(error)) from None
    own = [one.name for one in measure.own]
    for fields, where in _fields(origin, keys, own):
        arguments = dict(fields)
        labels = arguments.pop("labels", None)
        kind = outputs_are
        if arguments.get("logits") is not None:
            arguments["outputs"], kind = arguments["logits"], "logits"
        arguments.pop("logits", None)
        try:
            n = rows_of(arguments, arguments.get("ids"))
            ids = arguments.pop("ids", None)
            batch = measure.batch(
                ids=[f"{model}.{version}.{counter + i}" for i in range(n)] if ids is None else ids,
                counter=np.arange(counter, counter + n, dtype=np.uint64),
                custom_ids=ids is not None,
                time_s=arguments.pop("time_s", 0.0),
                version=version,
                outputs_are=kind,
                thumbnails=thumbnails,
                **arguments,
            )
        except (ShapeError, TypeError, ValueError) as error:
            raise BaselineError(f"{where}: {error}") from None
        yield batch, None if labels is None else labels_of(labels, where, n)
        counter += n
    if counter == 0:
        raise BaselineError(f"{origin}: expected records, found none")


def _fields(
    origin: str, keys: Sequence[str], own: Sequence[str]
) -> Iterator[tuple[Mapping[str, Any], str]]:
    path = Path(origin)
    if not path.exists():
        if ":" in origin and not origin.endswith((".npz", ".parquet")):
            yield from _called(origin)
            return
        raise BaselineError(f"{origin}: expected a folder, a file or module:callable, found none")
    for file, columns, n in _tables(path):
        where = str(file)
        yield fields_of(columns, keys, where, n, own), where


def _tables(path: Path) -> Iterator[tuple[Path, dict[str, Any], int]]:
    if path.is_dir():
        for name in TABLES:
            if (path / name).exists():
                yield from ((path / name, c, n) for c, n in folder_columns(path, path / name))
                return
        files = sorted(file for file in path.iterdir() if file.suffix in (".npz", ".parquet"))
        if not files:
            raise BaselineError(
                f"{path}: expected .npz or .parquet files, or {' or '.join(TABLES)}, found neither"
            )
        for file in files:
            yield from _tables(file)
    elif path.suffix == ".npz":
        yield from ((path, columns, n) for columns, n in npz_columns(path))
    elif path.suffix == ".parquet":
        yield from ((path, columns, n) for columns, n in parquet_columns(path))
    else:
        raise BaselineError(f"{path}: expected .npz or .parquet, found {path.suffix or 'neither'}")


def _called(origin: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    module_name, _, attribute = origin.partition(":")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise BaselineError(f"{origin}: can't be imported: {error}") from None
    items: Iterable[Any] = found() if callable(found) else found
    for number, item in enumerate(items, start=1):
        where = f"{origin}: batch {number}"
        if not isinstance(item, Mapping):
            raise BaselineError(
                f"{where}: expected a mapping of record()'s arguments, found {type(item).__name__}"
            )
        yield item, where
