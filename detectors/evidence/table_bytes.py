"""The engine's table as bytes, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.pool import block_sums
from detectors.evidence.table import SETTLED, StreamTable
from detectors.streams import StreamKey
from vigil.errors import FormatVersionError, WireError
from vigil.windows import wire

Array = NDArray[Any]

FORMAT_VERSION = 2
_LATER = ("held_since", "flips", "own_after", "own_pending")
"""Columns that a state of this format may lack."""


def to_bytes(table: StreamTable, header: dict[str, Any]) -> bytes:
    """Everything of a table, with ``header`` beside it."""
    names = [name for name in table.columns() if name != "warm"]
    warming = np.flatnonzero(table.state != SETTLED)
    arrays: dict[str, Array] = {name: getattr(table, name) for name in names}
    arrays |= {
        "warm": table.warm[warming],
        "group_counts": table.group_counts,
        "after": table.after,
        "pending": table.pending,
        "pending_ticks": table.pending_ticks,
        "ring_ticks": table.ring_ticks,
    }
    groups = [
        [model, deployment, list(keys), signal] for model, deployment, keys, signal in table.groups
    ]
    meta = {
        **header,
        "what": "evidence",
        "format": FORMAT_VERSION,
        "arms": table.arms,
        "min_history": table.min_history,
        "streams": [key.to_json() for key in table.keys],
        "groups": groups,
        "levels": [list(level) for level in table.levels],
    }
    return wire.pack(meta, arrays)


def from_bytes(blob: bytes) -> tuple[dict[str, Any], StreamTable]:
    """What ``to_bytes`` wrote: the header and the table.

    Raises:
        WireError: damaged, foreign, of another format, or arrays that do not fit together.
    """
    header, arrays = wire.unpack(blob, limit_bytes=2**31)
    if header.get("what") != "evidence":
        raise WireError(f"expected evidence, found {header.get('what')!r}")
    if header["format"] != FORMAT_VERSION:
        raise FormatVersionError("evidence", found=header["format"], supported=FORMAT_VERSION)
    try:
        table = StreamTable(arms=int(header["arms"]), min_history=int(header["min_history"]))
        for model, deployment, keys, signal in header["groups"]:
            table.groups[model, deployment, tuple(keys), signal] = len(table.groups)
        table.group_counts = arrays["group_counts"].copy()
        for model, deployment, level in header["levels"]:
            table.levels[model, deployment, int(level)] = len(table.levels)
        table.after = arrays["after"].copy()
        table.pending = arrays["pending"].copy()
        table.pending_ticks = arrays["pending_ticks"].copy()
        table.add([StreamKey.from_json(entry) for entry in header["streams"]])
        for name, (shape, dtype, _) in table.columns().items():
            if name == "warm" or (name in _LATER and name not in arrays):
                continue
            array = arrays[name]
            if array.shape != (len(table), *shape) or array.dtype != dtype:
                raise WireError(f"evidence: {name} has shape {array.shape}, type {array.dtype}")
            setattr(table, name, array.copy())
        table.warm[np.flatnonzero(table.state != SETTLED)] = arrays["warm"]
        table.ring_ticks = arrays["ring_ticks"].copy()
        table.blocks = block_sums(table.counts)
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"not evidence: {error!r}") from None
    return header, table
