"""Injection Shiryaev-Roberts over any bets: one row of arms per stream, in one array.

Per step and stream i, with the likelihood ratio ``L`` of each arm over the step's data, ::

    R <- (R + omega_i prior) L,     evidence = sum over arms,     sum_i omega_i <= 1

**Guarantee.** Where every arm pays at most 1 on average, whatever happened before, the expected
number of crossings of A in T steps is at most T / A over all streams together, at stopping times
too, however the streams depend on each other; after a crossing the stream starts from nothing. An
arm that can't bet in a step must pay 0, not 1: otherwise R grows by injection alone.

Source: Shin, Ramdas and Rinaldo, E-detectors, 2022.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from detectors.streams import StreamKey
from vigil.errors import ConflictError, FormatVersionError, WireError
from vigil.windows import wire

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Columns = Mapping[str, tuple[tuple[int, ...], Any, float]]

FORMAT_VERSION = 1
CAP = 1e6
"""Evidence stops growing at so many thresholds; a cap only lowers it."""

_LOG_CAP = 600.0


class Arms:
    """The rows of one track: who is there, and what is remembered of each.

    * ``evidence`` (n, arms); ``last_seen`` (n,): the step.
    * further arrays as ``columns`` says: name -> (shape of one row, type, first value).

    Args:
        what: the name of the track in its bytes.
        prior: (arms,), summing to 1.
        threshold: A, in steps of the track's own cadence.
        retire_after: steps without data after which a stream is forgotten.
        max_streams: streams beyond are left out until others retire.
    """

    def __init__(
        self,
        what: str,
        *,
        prior: Floats,
        threshold: float,
        columns: Columns | None = None,
        retire_after: int = 100_000,
        max_streams: int = 50_000,
    ) -> None:
        if not threshold > 1:
            raise ValueError(f"{what}: expected threshold > 1, found {threshold}")
        self.what, self.prior, self.threshold = what, prior, float(threshold)
        self.retire_after, self.max_streams = retire_after, max_streams
        self.last_step: int | None = None
        self.keys: list[StreamKey] = []
        self._index: dict[Hashable, int] = {}
        own: Columns = {"evidence": ((len(prior),), np.float64, 0.0), "last_seen": ((), int, 0)}
        self._columns = {**own, **(columns or {})}
        self.arrays: dict[str, NDArray[Any]] = {
            name: np.full((0, *shape), fill, dtype)
            for name, (shape, dtype, fill) in self._columns.items()
        }

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def begin(self, step: int) -> None:
        """Raises:
        ConflictError: the step is not after the last.
        """
        if self.last_step is not None and step <= self.last_step:
            raise ConflictError(f"{self.what}: step {step} is not after {self.last_step}")
        self.last_step = step

    def rows(self, streams: Sequence[StreamKey]) -> Rows:
        """The row of each stream, made where it has none; -1 where the table is full."""
        fresh = [one for one in dict.fromkeys(streams) if one not in self._index]
        if fresh and len(self) + len(fresh) > self.max_streams:
            self._retire()
            fresh = fresh[: max(0, self.max_streams - len(self))]
        for one in fresh:
            self._index[one] = len(self.keys)
            self.keys.append(one)
        for name, (shape, dtype, fill) in self._columns.items():
            more = np.full((len(fresh), *shape), fill, dtype)
            self.arrays[name] = np.concatenate([self.arrays[name], more])
        return np.array([self._index.get(one, -1) for one in streams], np.int64)

    def find(self, streams: Iterable[StreamKey]) -> Rows:
        """The rows of the streams that are known; others are left out."""
        return np.array([self._index[one] for one in streams if one in self._index], np.int64)

    def bet(self, rows: Rows, log_paid: Floats, omega: Floats) -> Floats:
        """One step of n rows: (n, arms) log payoffs, -inf where an arm can't bet; (n,) shares.

        Returns:
            (n,) evidence, in steps.
        """
        paid = np.exp(np.minimum(log_paid, _LOG_CAP))
        grown = (self["evidence"][rows] + omega[:, None] * self.prior) * paid
        total = grown.sum(axis=1, keepdims=True)
        ceiling = CAP * self.threshold
        grown *= ceiling / np.maximum(total, ceiling)
        self["evidence"][rows] = grown
        if self.last_step is not None:
            self["last_seen"][rows] = self.last_step
        return np.asarray(grown.sum(axis=1))

    def reset(self, streams: Iterable[StreamKey]) -> None:
        """After a crossing: evidence starts from nothing."""
        self["evidence"][self.find(streams)] = 0.0

    def forget(self, streams: Iterable[StreamKey]) -> None:
        """These streams begin anew."""
        rows = self.find(streams)
        for name, (_, _, fill) in self._columns.items():
            self.arrays[name][rows] = fill

    def _retire(self) -> None:
        step = self.last_step or 0
        kept = np.flatnonzero(self["last_seen"] > step - self.retire_after)
        self.keys = [self.keys[row] for row in kept.tolist()]
        self._index = {key: row for row, key in enumerate(self.keys)}
        self.arrays = {name: array[kept] for name, array in self.arrays.items()}

    def to_bytes(self, header: Mapping[str, Any] | None = None) -> bytes:
        """Everything, with the track's own ``header`` (JSON values) beside it."""
        own = {
            "what": self.what,
            "format": FORMAT_VERSION,
            "threshold": self.threshold,
            "retire_after": self.retire_after,
            "max_streams": self.max_streams,
            "last_step": self.last_step,
            "streams": [key.to_json() for key in self.keys],
        }
        return wire.pack({**(header or {}), **own}, self.arrays)

    @classmethod
    def header_of(cls, what: str, blob: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Raises:
        WireError: damaged, of another track, or of a newer format.
        """
        header, arrays = wire.unpack(blob, limit_bytes=2**31)
        if header.get("what") != what:
            raise WireError(f"expected {what}, found {header.get('what')!r}")
        if header["format"] > FORMAT_VERSION:
            raise FormatVersionError(what, found=header["format"], supported=FORMAT_VERSION)
        return header, arrays

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what ``to_bytes`` wrote.

        Raises:
            WireError: arrays that do not fit.
        """
        try:
            self.threshold = float(header["threshold"])
            self.retire_after = int(header["retire_after"])
            self.max_streams = int(header["max_streams"])
            self.last_step = header["last_step"]
            self.keys = [StreamKey.from_json(entry) for entry in header["streams"]]
            self._index = {key: row for row, key in enumerate(self.keys)}
            for name, (shape, dtype, _) in self._columns.items():
                array = arrays[name]
                if array.shape != (len(self), *shape) or array.dtype != dtype:
                    raise WireError(f"{self.what}: {name} is {array.dtype} {array.shape}")
                self.arrays[name] = array.copy()
        except wire.UNREADABLE as error:
            raise WireError(f"not {self.what}: {error!r}") from None
        return self


def known(streams: Sequence[StreamKey], rows: Rows, values: Floats, fill: float = 0.0) -> Floats:
    """Values of the streams that have a row, (k,), back in the order of all: (n,)."""
    out = np.full(len(streams), fill)
    out[rows >= 0] = values
    return out
