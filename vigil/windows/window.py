"""What one source saw in one window of time: the unit that is shipped, stored and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.build import NO_BUILD, Build
from vigil.errors import FormatVersionError, ShapeError, WireError
from vigil.quality.counts import NO_FAULTS, Quality
from vigil.types import ModelRef, as_utc, utc
from vigil.windows import wire
from vigil.windows.sample import Sample
from vigil.windows.summary import SUMMED, Summary

FORMAT_VERSION = 2
"""Format 2 may hold boxes and whole pictures. What has neither is written as format 1, which older
services read."""
MAX_NUMBERS = 2**22
"""In a summary: a few bytes may unpack to very many, and each takes eight."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ledger:
    """What is kept of EVERY inference so that a late label finds its prediction.

    ``counter`` (n,) numbers the records of one (source, boot); ids that the caller chose are in
    ``ids`` (n strings, or empty where the ids are ``source.boot.counter``). ``cell`` (n,) is a row
    of the window's summary, ``prediction`` (n,) the class or -1, ``confidence`` (n,) in [0, 1] or
    NaN.
    """

    counter: NDArray[np.uint64]
    cell: NDArray[np.uint16]
    prediction: NDArray[np.int32]
    confidence: NDArray[np.float32]
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.counter)
        for name in ("cell", "prediction", "confidence"):
            if len(getattr(self, name)) != n:
                raise ShapeError(f"ledger.{name}", expected=f"{n} rows", found="another number")
        if self.ids and len(self.ids) != n:
            raise ShapeError("ledger.ids", expected=f"{n} ids", found=str(len(self.ids)))

    def __len__(self) -> int:
        return len(self.counter)


EMPTY_LEDGER = Ledger(
    counter=np.zeros(0, np.uint64),
    cell=np.zeros(0, np.uint16),
    prediction=np.zeros(0, np.int32),
    confidence=np.zeros(0, np.float32),
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Window:
    """One window of one source and one model version.

    (``source``, ``boot``, ``sequence``) identifies it: sent twice, it counts once. ``start`` and
    ``end`` are aware UTC. ``ruler`` is the id of the ruler it was measured with. ``dropped`` counts
    records that were not summarised, by reason. A window without records is a heartbeat; the
    ``final`` one says that the source stops on purpose. ``build`` is how the version is run there.
    ``quality``: records with faulty data, by kind and cell.
    """

    source: str
    boot: str
    sequence: int
    model: ModelRef
    start: datetime
    end: datetime
    ruler: str
    summary: Summary
    sample: Sample
    informative: Sample
    ledger: Ledger = EMPTY_LEDGER
    dropped: Mapping[str, int] = field(default_factory=dict)
    final: bool = False
    build: Build = NO_BUILD
    quality: Quality = NO_FAULTS

    def __post_init__(self) -> None:
        as_utc(self.start, what="window.start")
        as_utc(self.end, what="window.end")
        if self.end <= self.start:
            raise ShapeError("window", expected="end after start", found=f"end {self.end}")

    @property
    def key(self) -> tuple[str, str, int]:
        return self.source, self.boot, self.sequence

    @property
    def has_objects(self) -> bool:
        """Whether its samples hold boxes."""
        return self.sample.objects is not None or self.informative.objects is not None

    @property
    def has_pictures(self) -> bool:
        """Whether its samples hold whole pictures."""
        return bool(self.sample.pictures or self.informative.pictures)

    def to_bytes(self, *, level: int = 1) -> bytes:
        """``level``: zlib's; 0 where the bytes stay on this machine and speed counts."""
        header = {
            "what": "window",
            "format": FORMAT_VERSION if self.has_objects or self.has_pictures else 1,
            "source": self.source,
            "boot": self.boot,
            "sequence": self.sequence,
            "model": {
                "name": self.model.name,
                "version": self.model.version,
                "deployment": self.model.deployment,
            },
            "start_s": self.start.timestamp(),
            "end_s": self.end.timestamp(),
            "ruler": self.ruler,
            "dropped": dict(self.dropped),
            "final": self.final,
            "summary": self.summary.header(),
            "sample": self.sample.header(),
            "informative": self.informative.header(),
            "ids": list(self.ledger.ids),
            **({"build": self.build.to_json()} if self.build != NO_BUILD else {}),
            **({"quality": self.quality.to_json(self.summary.cells)} if self.quality else {}),
        }
        arrays: dict[str, NDArray[Any]] = {
            **self.summary.to_arrays(),
            **self.sample.to_arrays("sample"),
            **self.informative.to_arrays("informative"),
            "ledger.counter": self.ledger.counter,
            "ledger.cell": self.ledger.cell,
            "ledger.prediction": self.ledger.prediction,
            "ledger.confidence": self.ledger.confidence,
        }
        return wire.pack(header, arrays, level=level)

    @classmethod
    def from_bytes(cls, blob: bytes, *, limit_bytes: int = 64 * 2**20) -> Window:
        """Raises:
        WireError: damaged, not a window, or of a newer format.
        """
        header, arrays = wire.unpack(blob, limit_bytes=limit_bytes)
        if header.get("what") != "window":
            raise WireError(f"expected a window, found {header.get('what')!r}")
        try:
            if header["format"] > FORMAT_VERSION:
                raise FormatVersionError("window", found=header["format"], supported=FORMAT_VERSION)
            cells = sum(arrays[f"summary.{name}"].size for name in SUMMED)
            if cells > MAX_NUMBERS:
                raise ShapeError("summary", expected=f"{MAX_NUMBERS} numbers", found=f"{cells}")
            summary = Summary.from_parts(header["summary"], arrays)
            return cls(
                source=_text(header, "source"),
                boot=_text(header, "boot"),
                sequence=int(header["sequence"]),
                model=ModelRef(**header["model"]),
                start=utc(header["start_s"]),
                end=utc(header["end_s"]),
                ruler=_text(header, "ruler"),
                summary=summary,
                sample=Sample.from_parts(header["sample"], arrays, "sample"),
                informative=Sample.from_parts(header["informative"], arrays, "informative"),
                ledger=Ledger(
                    counter=arrays["ledger.counter"],
                    cell=arrays["ledger.cell"],
                    prediction=arrays["ledger.prediction"],
                    confidence=arrays["ledger.confidence"],
                    ids=tuple(header["ids"]),
                ),
                dropped={str(k): int(v) for k, v in header["dropped"].items()},
                final=bool(header.get("final", False)),
                build=Build.from_json(header.get("build", {})),
                quality=Quality.from_json(header.get("quality", {}), summary.cells),
            )
        except wire.UNREADABLE as error:
            raise WireError(f"not a window: {error!r}") from None
        except ShapeError as error:
            raise WireError(f"not a window: {error}") from None


def _text(header: Mapping[str, Any], name: str) -> str:
    if not isinstance(header[name], str):
        raise TypeError(f"{name}: expected text, found {type(header[name]).__name__}")
    return str(header[name])
