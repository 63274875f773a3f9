"""Columns of a table as the keyword arguments of ``Tap.record``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.baselines.boxes import TAKEN, boxes_of
from vigil.errors import BaselineError
from vigil.measuring.own_signals import CHARACTERS
from vigil.signals.families import family_signal

RENAMED = {
    "embedding": "embeddings",
    "probabilities": "outputs",
    "logits": "logits",
    "prediction": "prediction",
    "label": "labels",
    "image": "images",
    "id": "ids",
    "uri": "uris",
    "trace_id": "trace_ids",
    "time": "time",
    "text": "texts",
    "mask": "masks",
}
KNOWN = frozenset(
    "embeddings outputs images labels latency_s ids uris trace_ids time_s texts masks".split()
) | frozenset(RENAMED)


def fields_of(
    columns: Mapping[str, Any],
    keys: Sequence[str],
    where: str,
    n: int,
    signals: Collection[str] = (),
) -> dict[str, Any]:
    """Columns by name, each with n rows, as the arguments of ``record`` and ``labels``, ``time_s``.

    ``embedding``, ``probabilities`` (or ``logits``, or ``prediction``: the class alone), ``label``,
    ``image``, ``latency_s``, ``id``, ``uri``, ``trace_id``, ``time_s`` (seconds since 1970) or
    ``time`` (ISO 8601) are known. So are ``boxes`` with ``scores``, ``classes`` and ``tracks``
    (lists, one a row; in arrays with rows of NaN where there are fewer), ``mask``, ``areas`` (of
    each class), ``text``, ``character_confidence`` (lists), ``stage_NAME_s`` and the ``signals`` of
    the user's own. Any other column is metadata.

    Raises:
        BaselineError: a key has no column, or a time can't be read.
    """
    columns = dict(columns)
    given = {name: columns.pop(name) for name in (*TAKEN, *signals) if name in columns}
    stages = {name[6:-2]: columns.pop(name) for name in list(columns) if _is_stage(name)}
    missing = [key for key in keys if key not in columns]
    if missing:
        raise BaselineError(
            f"{where}: expected a column for each key, found none for {', '.join(missing)} "
            f"among {', '.join(columns)}"
        )
    fields: dict[str, Any] = {
        RENAMED.get(name, name): value
        for name, value in columns.items()
        if name in KNOWN and name not in keys
    }
    fields["metadata"] = {
        name: texts(value) for name, value in columns.items() if name in keys or name not in KNOWN
    }
    if "boxes" in given:
        fields["detections"] = boxes_of(given, where, n)
    if "areas" in given:
        fields["masks"] = {"areas": given["areas"]}
    if "texts" in fields:
        fields["texts"] = texts(fields["texts"])
    own = {name: given[name] for name in (CHARACTERS, *signals) if name in given}
    fields |= {"signals": own} if own else {}
    fields |= {"stages_s": stages} if stages else {}
    if "time" in fields:
        fields["time_s"] = seconds(fields.pop("time"), where)
    prediction = fields.pop("prediction", None)
    if "outputs" not in fields and "logits" not in fields and prediction is not None:
        fields["outputs"] = np.asarray(prediction, np.int64)
    if "labels" in fields:
        fields["labels"] = labels_of(fields["labels"], where, n)
    return fields


def _is_stage(name: str) -> bool:
    return name.startswith("stage_") and name.endswith("_s") and family_signal(name) is not None


def labels_of(values: Any, where: str, n: int) -> NDArray[np.int64]:
    """Labels (n,), -1 where there is none (None, NaN, empty text).

    Raises:
        BaselineError: another number of them, or not whole numbers.
    """
    items = values.tolist() if hasattr(values, "tolist") else list(values)
    if len(items) != n:
        raise BaselineError(f"{where}: label: expected {n}, found {len(items)}")
    out = np.full(n, -1, np.int64)
    for row, item in enumerate(items):
        if item is None or item == "" or item != item:  # noqa: PLR0124 (NaN is not itself)
            continue
        try:
            number = float(item)
        except (TypeError, ValueError):
            number = 0.5
        if number != int(number):
            raise BaselineError(
                f"{where}: label of row {row + 1}: expected a whole number, found {item!r}"
            )
        out[row] = int(number)
    return out


def texts(values: Any) -> list[str]:
    items = values.tolist() if hasattr(values, "tolist") else list(values)
    return ["" if item is None else str(item) for item in items]


def seconds(values: Any, where: str) -> NDArray[np.float64]:
    """ISO 8601 texts, datetimes (without a zone: UTC) or numbers as seconds since 1970.

    Raises:
        BaselineError: none of these.
    """
    array = np.asarray(values)
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]").astype(np.int64) / 1e6
    if array.dtype.kind in "iuf":
        return array.astype(np.float64)
    out = np.empty(len(array))
    for row, item in enumerate(array.tolist()):
        try:
            moment = item if isinstance(item, datetime) else datetime.fromisoformat(str(item))
        except ValueError:
            raise BaselineError(
                f"{where}: time of row {row + 1}: expected ISO 8601, found {item!r}"
            ) from None
        out[row] = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return out
