"""A small sample of whole records, of bounded size, that merges.

Each record has a priority; the k smallest are kept. For the uniform sample the priority is a hash
of the id, so every record is equally likely to stay and the sample of a union is the best k of
both samples. For the informative sample it is ``hash / weight`` (priority sampling: Duffield, Lund
and Thorup, 2007), so that uncertain records stay more often.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import RulerMismatchError, ShapeError
from vigil.values import files
from vigil.values.objects import Objects


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sample:
    """n records, column by column. S signals, K classes, d embedding dimensions.

    * ``ids``, ``uris`` (where the caller gave one, else ""), ``trace_ids``: n strings each.
    * ``metadata``: n mappings of key to value.
    * ``time_s`` (n,): seconds since 1970. ``version``: the model version of each record.
    * ``prediction`` (n,): class; -1 where none. ``signals`` (n, S): NaN where missing.
    * ``probabilities`` (n, K) float16 and ``embedding`` (n, d) float16; K or d may be 0.
    * ``priority`` (n,) in (0, 1] or above; smaller stays. ``weight`` (n,).
    * ``threshold``: the smallest priority that was left out (inf: none was), from which the
      inclusion probability follows.
    * ``thumbnails`` (n, h, w, c) uint8; h = 0 where privacy keeps none.
    * ``objects``: boxes of the records, at most 300 each; None where the model draws none.
    * ``pictures``: n PNG files, empty where one is not kept; () where privacy keeps none.
    """

    signal_names: tuple[str, ...]
    ids: tuple[str, ...]
    versions: tuple[str, ...]
    metadata: tuple[dict[str, str], ...]
    uris: tuple[str, ...]
    trace_ids: tuple[str, ...]
    time_s: NDArray[np.float64]
    prediction: NDArray[np.int32]
    probabilities: NDArray[np.float16]
    embedding: NDArray[np.float16]
    signals: NDArray[np.float32]
    priority: NDArray[np.float64]
    weight: NDArray[np.float64]
    thumbnails: NDArray[np.uint8]
    threshold: float = float("inf")
    objects: Objects | None = None
    pictures: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.ids)
        for name in (*_COLUMNS, "versions", "metadata", "uris", "trace_ids"):
            if len(getattr(self, name)) != n:
                raise ShapeError(
                    f"sample.{name}", expected=f"{n} rows", found=str(len(getattr(self, name)))
                )
        if self.pictures and len(self.pictures) != n:
            raise ShapeError(
                "sample.pictures", expected=f"{n} files", found=str(len(self.pictures))
            )
        if self.objects is not None and self.objects.records != n:
            raise ShapeError(
                "sample.objects", expected=f"{n} records", found=str(self.objects.records)
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def has_thumbnails(self) -> bool:
        return self.thumbnails.ndim == 4 and self.thumbnails.shape[1] > 0

    @property
    def inclusion(self) -> NDArray[np.float64]:
        """The probability with which each record came to be in the sample, (n,)."""
        if not np.isfinite(self.threshold):
            return np.ones(len(self))
        return np.minimum(1.0, self.weight * self.threshold)

    @classmethod
    def empty(cls, signal_names: Sequence[str] = ()) -> Sample:
        return cls(
            signal_names=tuple(signal_names),
            ids=(),
            versions=(),
            metadata=(),
            uris=(),
            trace_ids=(),
            time_s=np.zeros(0),
            prediction=np.zeros(0, np.int32),
            probabilities=np.zeros((0, 0), np.float16),
            embedding=np.zeros((0, 0), np.float16),
            signals=np.zeros((0, len(signal_names)), np.float32),
            priority=np.zeros(0),
            weight=np.zeros(0),
            thumbnails=np.zeros((0, 0, 0, 0), np.uint8),
        )

    def take(self, rows: NDArray[np.int64] | Sequence[int]) -> Sample:
        """Some of the records, in the given order."""
        index = np.asarray(rows, np.int64)
        columns: dict[str, Any] = {name: getattr(self, name)[index] for name in _COLUMNS}
        for name in _TEXTS:
            columns[name] = tuple(getattr(self, name)[i] for i in index)
        columns["objects"] = None if self.objects is None else self.objects.take(index)
        columns["pictures"] = files.some(self.pictures, index.tolist())
        return Sample(signal_names=self.signal_names, threshold=self.threshold, **columns)

    def with_signals(self, names: tuple[str, ...]) -> Sample:
        """The same records with these signals; NaN where one was not measured."""
        if names == self.signal_names:
            return self
        signals = np.full((len(self), len(names)), np.nan, np.float32)
        for place, name in enumerate(names):
            if name in self.signal_names:
                signals[:, place] = self.signals[:, self.signal_names.index(name)]
        return replace(self, signals=signals, signal_names=names)

    @staticmethod
    def merge(samples: Iterable[Sample], k: int) -> Sample:
        """The sample of size at most k of the union; each id once. A signal that only some of them
        have is missing in the others.

        Raises:
            RulerMismatchError: the samples hold different shapes.
        """
        parts = [sample for sample in samples if len(sample)]
        if not parts:
            return Sample.empty()
        names = tuple(dict.fromkeys(name for part in parts for name in part.signal_names))
        parts = [part.with_signals(names) for part in parts]
        try:
            columns: dict[str, Any] = {
                name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS
            }
        except ValueError as error:
            raise RulerMismatchError(f"samples of different shapes: {error}") from None
        for name in _TEXTS:
            columns[name] = tuple(text for part in parts for text in getattr(part, name))
        if any(part.objects is not None for part in parts):
            columns["objects"] = Objects.concatenate(
                [part.objects or Objects.none(len(part)) for part in parts]
            )
        columns["pictures"] = files.joined([(part.pictures, len(part)) for part in parts], b"")
        union = Sample(signal_names=parts[0].signal_names, **columns)
        # Ties are broken by the id, so that the order of the parts does not matter.
        order = sorted(range(len(union)), key=lambda i: (union.priority[i], union.ids[i]))
        first = {union.ids[i]: i for i in reversed(order)}
        kept = [i for i in order if first[union.ids[i]] == i]
        left_out = [float(union.priority[i]) for i in kept[k : k + 1]]
        threshold = min([*left_out, *(part.threshold for part in parts)], default=float("inf"))
        merged = union.take(kept[:k])
        object.__setattr__(merged, "threshold", threshold)
        return merged

    def header(self) -> dict[str, Any]:
        return {
            "signal_names": list(self.signal_names),
            "threshold": self.threshold if np.isfinite(self.threshold) else None,
            **{name: list(getattr(self, name)) for name in _TEXTS},
        }

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {
            f"{prefix}.{name}": getattr(self, name) for name in _COLUMNS
        }
        if self.objects is not None:
            arrays |= self.objects.to_arrays(f"{prefix}.objects")
        return arrays | files.to_arrays(self.pictures, f"{prefix}.pictures")

    @classmethod
    def from_parts(cls, header: dict[str, Any], arrays: dict[str, Any], prefix: str) -> Sample:
        threshold = header["threshold"]
        columns: dict[str, Any] = {name: arrays[f"{prefix}.{name}"] for name in _COLUMNS}
        for name in _TEXTS:
            columns[name] = tuple(header[name])
        return cls(
            signal_names=tuple(header["signal_names"]),
            threshold=float("inf") if threshold is None else float(threshold),
            objects=Objects.from_arrays(arrays, f"{prefix}.objects", len(header["ids"])),
            pictures=files.from_arrays(arrays, f"{prefix}.pictures", len(header["ids"])),
            **columns,
        )


_TEXTS = ("ids", "versions", "metadata", "uris", "trace_ids")
_COLUMNS = tuple(
    field.name
    for field in fields(Sample)
    if field.name not in (*_TEXTS, "signal_names", "threshold", "objects", "pictures")
)


def unit_hash(record_id: str) -> float:
    """A number in (0, 1) that depends on nothing but the id: 53 bits of BLAKE2b."""
    return float(unit_hashes([record_id])[0])


def unit_hashes(record_ids: Iterable[str]) -> NDArray[np.float64]:
    """``unit_hash`` of n ids, (n,)."""
    hasher = hashlib.blake2b
    raw = b"".join([hasher(one.encode(), digest_size=8).digest() for one in record_ids])
    bits = np.frombuffer(raw, "<u8") >> np.uint64(11)
    return (bits.astype(np.float64) + 0.5) / 2.0**53
