"""Who has a row of the table: who is let in, who retires, and each one's share of the budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.shiryaev import levels, shares_of
from detectors.evidence.table import StreamTable
from detectors.streams import StreamKey

Floats = NDArray[np.float64]


class Roster:
    """The streams of a table, within its bounds; see ``FleetEvidence``.

    What a layout of streams was found to be is kept, since ticks of one layout share the tuple.
    """

    def __init__(
        self, table: StreamTable, *, retire_after: int, max_streams: int, max_per_model: int
    ) -> None:
        self.retire_after = retire_after
        self.max_streams = max_streams
        self.max_per_model = max_per_model
        self.table = table
        self._levels: tuple[tuple[StreamKey, ...], NDArray[np.int64]] = ((), levels(()))
        self._omega: tuple[tuple[StreamKey, ...], bytes, Floats] | None = None
        self._seen: dict[int, tuple[tuple[StreamKey, ...], NDArray[np.int64]]] = {}

    @property
    def bounds(self) -> dict[str, int]:
        return {
            "retire_after": self.retire_after,
            "max_streams": self.max_streams,
            "max_per_model": self.max_per_model,
        }

    def rows(self, streams: tuple[StreamKey, ...]) -> NDArray[np.int64]:
        """The row of each stream, -1 where the table is full.

        Raises:
            ValueError: a stream stands there twice.
        """
        found = self._seen.get(id(streams))
        if found is not None and found[0] is streams:
            return found[1]
        table = self.table
        rows = table.find(streams)
        if (rows < 0).any():
            table.add(self._admitted(streams))
            rows = table.find(streams)
        distinct = set(rows.tolist()) if (rows >= 0).all() else set(streams)
        if len(distinct) != len(streams):
            raise ValueError("scores of one tick: expected each stream once")
        if len(self._seen) >= 256:
            self._seen.clear()
        if (rows >= 0).all():
            self._seen[id(streams)] = (streams, rows)
        return rows

    def shares(self, streams: tuple[StreamKey, ...], use: NDArray[np.bool_]) -> Floats:
        """omega of the streams in use; the same as in the last tick where those are the same."""
        mask = use.tobytes()
        if self._omega is None or self._omega[0] is not streams or self._omega[1] != mask:
            if self._levels[0] is not streams:
                self._levels = streams, levels(streams)
            self._omega = streams, mask, shares_of(self._levels[1][use])
        return self._omega[2]

    def retire(self, tick: int, present: tuple[StreamKey, ...]) -> None:
        """Now and then, and where room is short: forget who was not seen for long."""
        table = self.table
        if len(table) + len(present) <= self.max_streams and tick % 256:
            return
        table.last_seen[table.last_seen == 0] = tick
        old = tick - table.last_seen > self.retire_after
        old[table.rows(present)] = False
        if old.any():
            table.keep(np.flatnonzero(~old))
            self._seen.clear()

    def _admitted(self, streams: Iterable[StreamKey]) -> list[StreamKey]:
        """Those of the new streams for which there is room."""
        table = self.table
        room = max(0, self.max_streams - len(table))
        taken = Counter((key.model, key.deployment) for key in table.keys)
        admitted: list[StreamKey] = []
        for stream in dict.fromkeys(streams):
            family = stream.model, stream.deployment
            if stream in table.index or taken[family] >= self.max_per_model:
                continue
            taken[family] += 1
            admitted.append(stream)
        return admitted[:room]
