"""Hard faults need no statistics: is the plain rule's answer there in the first window?"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from detectors.frame import Part
from detectors.hard_faults import value_faults
from vigil.types import ModelRef
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Ruler
from vigil.windows.sample import Sample
from vigil.windows.summary import MOMENT_UNIT, Layout, Summary

Floats = NDArray[np.float64]

NAMES = ("brightness", "contrast", "sharpness")
MEANS, DEVIATIONS = np.array([0.5, 0.2, 1.5]), np.array([0.05, 0.03, 0.2])
CAMERAS = tuple((f"c{i:02}",) for i in range(50))


def windows_until_seen(*, records: int = 30, most: int = 5) -> dict[str, int | None]:
    """Windows until each fault of one camera of 50 is named; and false alarms in 200 healthy
    windows."""
    rng = np.random.default_rng(9)
    layout = Layout(keys=("camera",), signals=NAMES, bins=64, classes=0, features=0)
    first = _values(rng, 4000)
    ruler = Ruler(
        model=ModelRef(name="m", version="v"),
        layout=layout,
        edges=np.quantile(first.reshape(-1, 3), np.arange(1, 64) / 64, axis=0).T.copy(),
        center=MEANS,
        scale=DEVIATIONS,
        projection=None,
    )
    baseline = Baseline(
        model=ruler.model,
        dataset="synthetic",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        ruler=ruler,
        reference=_summary(ruler, first),
        outcomes=None,
        healthy_scores={},
        sample=Sample.empty(NAMES),
    )

    def alarms(values: Floats) -> int:
        part = Part(baseline=baseline, summary=_summary(ruler, values))
        return len(value_faults([part], missing_share=0.05))

    out: dict[str, int | None] = {}
    for name in ("black frames", "frozen frames", "missing values (NaN)"):
        out[name] = None
        for window in range(1, most + 1):
            values = _values(rng, records)
            if name == "black frames":
                values[7] = np.array([0.0, 0.0, 0.0]) + 1e-4 * rng.standard_normal((records, 3))
            elif name == "frozen frames":
                values[7] = values[7, 0]
            else:
                values[7] = np.nan
            if alarms(values):
                out[name] = window
                break
    out["false alarms in 200 healthy windows"] = sum(
        alarms(_values(rng, records)) > 0 for _ in range(200)
    )
    return out


def _values(rng: np.random.Generator, records: int) -> Floats:
    return MEANS + DEVIATIONS * rng.standard_normal((len(CAMERAS), records, 3))


def _summary(ruler: Ruler, values: Floats) -> Summary:
    """(cameras, records, signals) as a window."""
    cameras, records, signals = values.shape
    bins = ruler.digitise(values.reshape(-1, signals).astype(np.float32))
    bins = bins.reshape(cameras, records, signals)
    counts = np.zeros((cameras, signals, ruler.layout.bins + 1), np.int64)
    for c in range(cameras):
        for s in range(signals):
            counts[c, s] = np.bincount(bins[c, :, s], minlength=ruler.layout.bins + 1)
    moved = np.rint((values - MEANS) / DEVIATIONS * MOMENT_UNIT)  # as records are: fixed point
    moments = np.stack([np.nansum(moved, axis=1), np.nansum(moved**2, axis=1)], axis=2)
    return Summary(
        layout=ruler.layout,
        cells=CAMERAS,
        records=np.full(cameras, records),
        counts=counts,
        moments=moments.astype(np.int64),
        classes=np.zeros((cameras, 1), np.int64),
        embedded=np.zeros(cameras, np.int64),
        features=np.zeros((cameras, 0), np.int64),
    )
