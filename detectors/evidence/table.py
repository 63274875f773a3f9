"""The memory of the engine: one row per stream, in arrays, and the same as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.pool import CELLS
from detectors.streams import StreamKey
from vigil import wire
from vigil.errors import FormatVersionError, WireError
from vigil.types import Slice

FORMAT_VERSION = 1
RING = 64

NEW, WARMING, SETTLED = 0, 1, 2

Group = tuple[str, str, tuple[str, ...], str]
Array = NDArray[Any]


class StreamTable:
    """What is remembered of each stream.

    * ``state`` (n,): NEW (nothing known), WARMING (borrowed history), SETTLED (its own).
    * ``mean``, ``between``, ``band`` (n,): location, variance between windows beyond sampling, and
      half the width of the guardrail, in units of the score.
    * ``counts`` (n, CELLS): the pool. ``history`` (n,): own windows in it.
    * ``warm`` (n, H, 2): scores and noises until there are H of them.
    * ``open_sums`` (n, 4): number, sum, sum of squares of the open score, sum of squared noise.
    * ``evidence``, ``cusum`` (n, arms) and ``start`` (n, arms): Shiryaev-Roberts terms, CUSUM and
      its start tick.
    * ``ring_cells`` (n, RING), ``ring_ticks`` (RING,): the last joins, so that they can be taken
      back.
    * ``held``, ``novel`` (n,), ``last_seen`` (n,).
    * ``group_counts`` (groups, CELLS): open scores of known siblings.
    """

    def __init__(self, *, arms: int, min_history: int) -> None:
        self.arms, self.min_history = arms, min_history
        self.keys: list[StreamKey] = []
        self.index: dict[StreamKey, int] = {}
        self.groups: dict[Group, int] = {}
        self.group_of = np.zeros(0, np.int64)
        self.group_counts = np.zeros((0, CELLS), np.int32)
        self.ring_ticks = np.full(RING, -1, np.int64)
        for name, (shape, dtype, fill) in self._columns().items():
            setattr(self, name, np.full((0, *shape), fill, dtype))

    state: NDArray[np.int8]
    mean: NDArray[np.float64]
    between: NDArray[np.float64]
    band: NDArray[np.float64]
    counts: NDArray[np.int32]
    history: NDArray[np.int64]
    warm: NDArray[np.float32]
    open_sums: NDArray[np.float64]
    evidence: NDArray[np.float64]
    cusum: NDArray[np.float64]
    start: NDArray[np.int64]
    ring_cells: NDArray[np.int16]
    held: NDArray[np.bool_]
    novel: NDArray[np.bool_]
    last_seen: NDArray[np.int64]

    def _columns(self) -> dict[str, tuple[tuple[int, ...], Any, Any]]:
        arms = (self.arms,)
        return {
            "state": ((), np.int8, NEW),
            "mean": ((), np.float64, 0.0),
            "between": ((), np.float64, 0.0),
            "band": ((), np.float64, 0.0),
            "counts": ((CELLS,), np.int32, 0),
            "history": ((), np.int64, 0),
            "warm": ((self.min_history, 2), np.float32, 0.0),
            "open_sums": ((4,), np.float64, 0.0),
            "evidence": (arms, np.float64, 0.0),
            "cusum": (arms, np.float64, 0.0),
            "start": (arms, np.int64, 0),
            "ring_cells": ((RING,), np.int16, -1),
            "held": ((), np.bool_, False),
            "novel": ((), np.bool_, False),
            "last_seen": ((), np.int64, 0),
        }

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, streams: Iterable[StreamKey]) -> NDArray[np.int64]:
        """Rows of the streams that are known; others are left out."""
        found = [self.index[stream] for stream in streams if stream in self.index]
        return np.array(found, np.int64)

    def find(self, streams: Sequence[StreamKey]) -> NDArray[np.int64]:
        """The row of each stream, -1 where it has none."""
        get = self.index.get
        return np.array([get(stream, -1) for stream in streams], np.int64)

    def add(self, streams: Sequence[StreamKey]) -> None:
        """Rows for streams that have none yet."""
        fresh = [stream for stream in dict.fromkeys(streams) if stream not in self.index]
        if not fresh:
            return
        for stream in fresh:
            self.index[stream] = len(self.keys)
            self.keys.append(stream)
        for name, (shape, dtype, fill) in self._columns().items():
            more = np.full((len(fresh), *shape), fill, dtype)
            setattr(self, name, np.concatenate([getattr(self, name), more]))
        self.group_of = np.concatenate([self.group_of, self._groups_of(fresh)])

    def _groups_of(self, streams: Sequence[StreamKey]) -> NDArray[np.int64]:
        names = [(key.model, key.deployment, key.keys, key.signal) for key in streams]
        rows = [self.groups.setdefault(name, len(self.groups)) for name in names]
        missing = max(0, len(self.groups) - len(self.group_counts))
        empty = np.zeros((missing, CELLS), np.int32)
        self.group_counts = np.concatenate([self.group_counts, empty])
        return np.array(rows, np.int64)

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Forget all streams but those of ``rows``; groups that lose all members go too."""
        self.keys = [self.keys[row] for row in rows.tolist()]
        self.index = {key: row for row, key in enumerate(self.keys)}
        for name in self._columns():
            setattr(self, name, getattr(self, name)[rows])
        old = self.group_counts
        kept = dict(self.groups)
        self.groups, self.group_counts = {}, np.zeros((0, CELLS), np.int32)
        self.group_of = self._groups_of(self.keys)
        for group, row in self.groups.items():
            self.group_counts[row] = old[kept[group]]

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Make rows as new as on the first day; their streams stay."""
        for name, (_, _, fill) in self._columns().items():
            getattr(self, name)[rows] = fill

    def next_slot(self, tick: int) -> int:
        """The ring's place for the joins of a tick: the oldest, emptied."""
        slot = int(self.ring_ticks.argmin())
        self.ring_ticks[slot] = tick
        self.ring_cells[:, slot] = -1
        return slot

    def take_back(self, rows: NDArray[np.int64], since_tick: int) -> None:
        """Undo the joins of these rows since a tick, as far as the ring reaches."""
        back = self.ring_ticks >= since_tick
        cells = np.where(back, self.ring_cells[rows], -1)
        which, slot = np.nonzero(cells >= 0)
        np.subtract.at(self.counts, (rows[which], cells[which, slot].astype(np.int64)), 1)
        np.subtract.at(self.history, rows[which], 1)
        self.ring_cells[np.ix_(rows, np.flatnonzero(back))] = -1

    def to_bytes(self, header: dict[str, Any]) -> bytes:
        """Everything, with ``header`` beside it."""
        names = [name for name in self._columns() if name != "warm"]
        warming = np.flatnonzero(self.state != SETTLED)
        arrays: dict[str, Array] = {name: getattr(self, name) for name in names}
        arrays |= {
            "warm": self.warm[warming],
            "group_counts": self.group_counts,
            "ring_ticks": self.ring_ticks,
        }
        streams = [
            [key.model, key.deployment, [list(pair) for pair in key.slice.pairs], key.signal]
            for key in self.keys
        ]
        groups = [
            [model, deployment, list(keys), signal]
            for model, deployment, keys, signal in self.groups
        ]
        meta = {
            **header,
            "what": "evidence",
            "format": FORMAT_VERSION,
            "arms": self.arms,
            "min_history": self.min_history,
            "streams": streams,
            "groups": groups,
        }
        return wire.pack(meta, arrays)

    @classmethod
    def from_bytes(cls, blob: bytes) -> tuple[dict[str, Any], StreamTable]:
        """What ``to_bytes`` wrote: the header and the table.

        Raises:
            WireError: damaged, foreign, of a newer format, or arrays that do not fit together.
        """
        header, arrays = wire.unpack(blob, limit_bytes=2**31)
        if header.get("what") != "evidence":
            raise WireError(f"expected evidence, found {header.get('what')!r}")
        if header["format"] > FORMAT_VERSION:
            raise FormatVersionError("evidence", found=header["format"], supported=FORMAT_VERSION)
        try:
            table = cls(arms=int(header["arms"]), min_history=int(header["min_history"]))
            for model, deployment, keys, signal in header["groups"]:
                table.groups[model, deployment, tuple(keys), signal] = len(table.groups)
            table.group_counts = arrays["group_counts"].copy()
            table.add([_key(entry) for entry in header["streams"]])
            for name, (shape, dtype, _) in table._columns().items():
                if name == "warm":
                    continue
                array = arrays[name]
                if array.shape != (len(table), *shape) or array.dtype != dtype:
                    raise WireError(f"evidence: {name} has shape {array.shape}, type {array.dtype}")
                setattr(table, name, array.copy())
            table.warm[np.flatnonzero(table.state != SETTLED)] = arrays["warm"]
            table.ring_ticks = arrays["ring_ticks"].copy()
        except (KeyError, TypeError, ValueError) as error:
            raise WireError(f"not evidence: {error!r}") from None
        return header, table


def _key(entry: Any) -> StreamKey:
    model, deployment, pairs, signal = entry
    return StreamKey(model, deployment, Slice(tuple((str(k), str(v)) for k, v in pairs)), signal)
