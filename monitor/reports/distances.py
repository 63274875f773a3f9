"""Distances between two tables, computed by vigil, to hold Evidently's numbers against. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from monitor.reports.data import Floats, Ints, Tables
from vigil.catalogue import PREDICTED_CLASS

KS, WASSERSTEIN, JENSEN_SHANNON = "ks", "wasserstein", "jensenshannon"
AGREE = 1e-6
"""Two numbers agree within this, relative to the larger; both come from the same float64 values."""

LEAST_SPREAD = 0.001


class Of(NamedTuple):
    """A signal and the method, by the name that Evidently gives it, that it is compared with."""

    signal: str
    method: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One number computed twice; ``evidently`` is None where Evidently gave none."""

    signal: str
    method: str
    vigil: float
    evidently: float | None

    @property
    def agree(self) -> bool:
        if self.evidently is None:
            return False
        return bool(np.isclose(self.vigil, self.evidently, rtol=AGREE, atol=1e-12))


def wanted(tables: Tables) -> list[Of]:
    """What is compared: every signal by KS and Wasserstein, the classes by Jensen-Shannon."""
    found = [Of(name, method) for name in tables.names for method in (KS, WASSERSTEIN)]
    if tables.classes:
        found.append(Of(PREDICTED_CLASS.name, JENSEN_SHANNON))
    return found


def distances(tables: Tables) -> dict[Of, float]:
    """Each number of ``wanted``, computed here.

    * ``ks``: p-value of the two-sample Kolmogorov-Smirnov test, exact up to 10 000 records;
    * ``wasserstein``: first Wasserstein distance in standard deviations of the reference
      (``LEAST_SPREAD`` where it spreads less);
    * ``jensenshannon``: root of the Jensen-Shannon divergence of the class shares, in nats.
    """
    found: dict[Of, float] = {}
    for of in wanted(tables):
        match of.method:
            case "ks":
                found[of] = float(stats.ks_2samp(*tables.values(of.signal)).pvalue)
            case "wasserstein":
                x, y = tables.values(of.signal)
                spread = max(float(x.std()), LEAST_SPREAD)
                found[of] = float(stats.wasserstein_distance(x, y)) / spread
            case _:
                found[of] = jensen_shannon(
                    shares(tables.reference_classes, len(tables.classes)),
                    shares(tables.current_classes, len(tables.classes)),
                )
    return found


def ks_distance(x: Floats, y: Floats) -> float:
    """``max |F_x - F_y|`` over all values of both, exact; x and y hold a finite value each."""
    at = np.concatenate([x, y])
    below_x = np.searchsorted(np.sort(x), at, side="right") / len(x)
    below_y = np.searchsorted(np.sort(y), at, side="right") / len(y)
    return float(np.abs(below_x - below_y).max())


def shares(codes: Ints, classes: int) -> Floats:
    """The share of each class among the records that have one."""
    counts = np.bincount(codes[codes >= 0], minlength=classes)
    return np.asarray(counts / counts.sum(), np.float64)


def jensen_shannon(p: Floats, q: Floats) -> float:
    """``sqrt((KL(p, m) + KL(q, m)) / 2)`` with ``m = (p + q) / 2``, natural logarithm."""
    middle = (p + q) / 2
    parts = [float(np.sum(one[one > 0] * np.log(one[one > 0] / middle[one > 0]))) for one in (p, q)]
    return float(np.sqrt(max(0.0, sum(parts) / 2)))


def compared(tables: Tables, theirs: Mapping[Of, float]) -> tuple[Comparison, ...]:
    """Every number beside Evidently's."""
    return tuple(
        Comparison(signal=of.signal, method=of.method, vigil=ours, evidently=theirs.get(of))
        for of, ours in distances(tables).items()
    )
