"""The records of an incident's sample that show its drift most; read when someone asks.

They live as long as the sample does (see retention); nothing is kept with the incident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from alerts.types import Incident
from detectors.exemplars import exemplars
from monitor.response.sampled import records_of
from monitor.store import baselines
from monitor.store.samples import SampleStore
from vigil.types import Slice
from vigil.windows.sample import Sample

MOST_RECORDS = 2000
MOST_WINDOWS = 60
MOST_SIGNALS = 4
FEWEST_REFERENCE = 20
"""With fewer reference records on the incident's slice, those of all slices are compared with."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shown:
    """One record as it is shown. ``pixels`` (h, w, c) where privacy keeps a thumbnail."""

    record_id: str
    time_s: float
    value: float | None
    prediction: int
    metadata: Mapping[str, str]
    uri: str
    contribution: float
    pixels: NDArray[np.uint8] | None = None
    trace_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """Without pixels."""
        return {
            "record_id": self.record_id,
            "time_s": self.time_s,
            "value": self.value,
            "prediction": self.prediction,
            "metadata": dict(self.metadata),
            "uri": self.uri,
            "trace_id": self.trace_id,
            "contribution": round(self.contribution, 4),
        }


def exemplars_of(
    session: Session, samples: SampleStore, incident: Incident
) -> dict[str, tuple[Shown, ...]]:
    """Signal to its records, for the first signals of the incident's findings; signals of which
    nothing can be shown are left out."""
    signals = list(dict.fromkeys(f.signal for f in incident.findings if f.effect is not None))
    baseline = baselines.active(session, incident.model, incident.model_version)
    if not signals or baseline is None or not len(baseline.sample):
        return {}
    sample = records_of(
        session, samples, incident, kind="uniform", limit=MOST_RECORDS, windows=MOST_WINDOWS
    )
    reference = _on(baseline.sample, incident.slice)
    found: dict[str, tuple[Shown, ...]] = {}
    for signal in signals:
        if len(found) == MOST_SIGNALS:
            break
        picked = exemplars(sample, reference, signal, projection=baseline.ruler.projection)
        if picked:
            found[signal] = tuple(
                _shown(sample, one.row, one.value, one.contribution) for one in picked
            )
    return found


def _on(reference: Sample, piece: Slice) -> Sample:
    rows = [
        row
        for row, metadata in enumerate(reference.metadata)
        if all(metadata.get(key) == value for key, value in piece.pairs)
    ]
    return reference.take(rows) if len(rows) >= FEWEST_REFERENCE else reference


def _shown(sample: Sample, row: int, value: float | None, contribution: float) -> Shown:
    return Shown(
        record_id=sample.ids[row],
        time_s=float(sample.time_s[row]),
        value=value,
        prediction=int(sample.prediction[row]),
        metadata=sample.metadata[row],
        uri=sample.uris[row],
        contribution=contribution,
        pixels=sample.thumbnails[row] if sample.has_thumbnails else None,
        trace_id=sample.trace_ids[row],
    )
