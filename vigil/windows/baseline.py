"""The frozen reference of one model version."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.catalogue import remember
from vigil.errors import FormatVersionError, ShapeError, WireError
from vigil.types import ModelRef, utc
from vigil.windows import wire
from vigil.windows.ruler import Ruler
from vigil.windows.sample import Sample
from vigil.windows.summary import Outcomes, Summary

FORMAT_VERSION = 2
"""Format 2 may hold boxes. What has none is written as format 1, and keeps its hash."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Baseline:
    """What a model version looked like on data known to be good. Immutable, content-hashed.

    * ``ruler``: bin edges and projection, fitted on this data.
    * ``reference``: the summary of this data, per leaf cell.
    * ``outcomes``: labels joined to predictions, where the data had labels.
    * ``healthy_scores``: stream name to the standardised scores of random pseudo-windows of it.
    * ``sample``: whole records for deep checks.
    * ``dataset``: where it came from, as given. ``author`` and ``reason``: who accepted it and why.
    """

    model: ModelRef
    dataset: str
    created_at: datetime
    ruler: Ruler
    reference: Summary
    outcomes: Outcomes | None
    healthy_scores: dict[str, NDArray[np.float32]]
    sample: Sample
    class_names: tuple[str, ...] = ()
    author: str = ""
    reason: str = ""
    sha256: str = field(default="")

    def __post_init__(self) -> None:
        remember(self.ruler.layout.declared)
        if not self.sha256:
            object.__setattr__(self, "sha256", wire.digest(*_parts(self)))

    @property
    def records(self) -> int:
        return self.reference.total_records

    def to_bytes(self) -> bytes:
        header, arrays = _parts(self)
        return wire.pack({**header, "sha256": self.sha256}, arrays, level=6)

    @classmethod
    def from_bytes(cls, blob: bytes) -> Baseline:
        """Raises:
        WireError: damaged, not a baseline, of a newer format, its content does not have the hash
            that it states, or its ruler is another model's.
        """
        header, arrays = wire.unpack(blob, limit_bytes=2**31)
        if header.get("what") != "baseline":
            raise WireError(f"expected a baseline, found {header.get('what')!r}")
        try:
            baseline = cls._read(header, arrays)
            stated = header["sha256"]
        except (*wire.UNREADABLE, ShapeError) as error:
            raise WireError(f"not a baseline: {error!r}") from None
        if baseline.sha256 != stated:
            raise WireError(f"baseline: content hash {baseline.sha256} is not {stated}")
        measured = baseline.ruler.model
        if (measured.name, measured.version) != (baseline.model.name, baseline.model.version):
            raise WireError(f"baseline of {baseline.model}: its ruler is of {measured}")
        if baseline.reference.layout != baseline.ruler.layout:
            raise WireError(f"baseline of {baseline.model}: not measured with its ruler")
        return baseline

    @classmethod
    def _read(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Baseline:
        if header["format"] > FORMAT_VERSION:
            raise FormatVersionError("baseline", found=header["format"], supported=FORMAT_VERSION)
        outcomes = None
        if header["outcomes"] is not None:
            outcomes = Outcomes(
                keys=tuple(header["outcomes"]["keys"]),
                cells=tuple(tuple(cell) for cell in header["outcomes"]["cells"]),
                table=arrays["outcomes"],
            )
        return cls(
            model=ModelRef(**header["model"]),
            dataset=header["dataset"],
            created_at=utc(header["created_s"]),
            ruler=Ruler.from_bytes(arrays["ruler"].tobytes()),
            reference=Summary.from_parts(header["reference"], arrays),
            outcomes=outcomes,
            healthy_scores={
                name: arrays[f"healthy.{i}"] for i, name in enumerate(header["healthy"])
            },
            sample=Sample.from_parts(header["sample"], arrays, "sample"),
            class_names=tuple(header["class_names"]),
            author=header["author"],
            reason=header["reason"],
        )


def _parts(baseline: Baseline) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    header: dict[str, Any] = {
        "what": "baseline",
        "format": 1 if baseline.sample.objects is None else FORMAT_VERSION,
        "model": {
            "name": baseline.model.name,
            "version": baseline.model.version,
            "deployment": baseline.model.deployment,
        },
        "dataset": baseline.dataset,
        "created_s": baseline.created_at.timestamp(),
        "reference": baseline.reference.header(),
        "outcomes": None,
        "healthy": list(baseline.healthy_scores),
        "sample": baseline.sample.header(),
        "class_names": list(baseline.class_names),
        "author": baseline.author,
        "reason": baseline.reason,
    }
    arrays: dict[str, NDArray[Any]] = {
        **baseline.reference.to_arrays(),
        **baseline.sample.to_arrays("sample"),
        "ruler": np.frombuffer(baseline.ruler.to_bytes(), np.uint8),
    }
    for i, scores in enumerate(baseline.healthy_scores.values()):
        arrays[f"healthy.{i}"] = scores
    if baseline.outcomes is not None:
        header["outcomes"] = {
            "keys": list(baseline.outcomes.keys),
            "cells": [list(cell) for cell in baseline.outcomes.cells],
        }
        arrays["outcomes"] = baseline.outcomes.table
    return header, arrays
