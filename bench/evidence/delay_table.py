"""What the trials of a fault come to: delays, the best fixed window, the oracle, the targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.evidence.fleet import A
from bench.evidence.laws import DIRECTION, LABELLED, SPECTRUM, Fault, masses

WINDOWS = (1, 2, 5, 10, 30, 60)
"""Lengths of the fixed windows, the best of which is taken in hindsight."""

REQUIRED = {"shift 1 sigma": 5, "shift 2 sigma": 4, "shift 5 sigma": 4}
"""Windows to the median crossing in mild weather, at a busy camera."""

BUSY_CAMERA, THIN_CAMERA = "camera, 200+ a minute", "camera, under 60 a minute"

TYPICAL = {BUSY_CAMERA: 200.0, THIN_CAMERA: 30.0}
"""Records a minute that the oracle of a place is told (frames are independent there)."""


def oracle(kind: str, fault: Fault, scenes: float) -> float:
    """Windows until log(A) of evidence, for who knows all: ``log(A) / (scenes KL)``, at least 1."""
    if kind == "embedding":
        moved = fault.cluster * 0.5 * DIRECTION[::-1] * 4
        divergence = float((moved**2 / SPECTRUM).sum() / 2.0)
    elif kind == "calibration":
        confidence = (np.arange(15) + 0.5) / 15 * 0.9 + 0.08
        low = np.clip(confidence - fault.gap, 1e-3, 1.0)
        each = low * np.log(low / confidence)
        each += (1 - low) * np.log((1 - low) / (1 - confidence))
        divergence = LABELLED * float(each.mean())
    else:
        bad, good = masses(kind, 0.0, fault), masses(kind, 0.0)
        use = bad > 0
        divergence = float((bad[use] * np.log(bad[use] / good[use])).sum())
    return max(1.0, float(np.log(A)) / (scenes * divergence))


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Found share, median and 90 % delay; not found counts as infinitely late."""
    out: dict[str, Any] = {"trials": len(found), "each": [one["found"] for one in found]}
    for name in ("found", "paged"):
        late = np.array([np.inf if one[name] is None else one[name] for one in found])
        out[name] = float(np.isfinite(late).mean())
        out[f"{name}_median"] = _finite(np.quantile(late, 0.5, method="higher"))
        out[f"{name}_90"] = _finite(np.quantile(late, 0.9, method="higher"))
    rows = []
    for k, w in enumerate(WINDOWS):
        late = np.array([np.inf if one["fixed"][k] is None else one["fixed"][k] for one in found])
        rows.append((float(np.quantile(late, 0.5, method="higher")), float(late.min()), w, late))
    median, _, w, late = min(rows, key=lambda row: (row[0], -np.isfinite(row[3]).mean(), row[2]))
    out["best_window"] = {
        "windows": w,
        "found": float(np.isfinite(late).mean()),
        "median": _finite(median),
    }
    return out


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def required(weathers: dict[str, Any]) -> dict[str, Any]:
    """The targets in mild weather at 200 records a minute or more, and whether they are met."""
    faults = weathers.get("mild", {}).get("faults", {})
    out = {}
    for name, most in REQUIRED.items():
        entry = faults.get(name, {}).get(BUSY_CAMERA)
        if entry is not None:
            median = entry["found_median"]
            out[name] = {
                "median": median,
                "at_most": most,
                "met": median is not None and median <= most,
                "trials": entry["trials"],
                "in_time": sum(one is not None and one <= most for one in entry["each"]),
            }
    return out
