"""Evaluation sets of made-up versions, for the tests of the gate."""

from __future__ import annotations

from typing import Any

import numpy as np


def table(
    seed: int, n: int = 2000, *, worse: float = 0.0, worse_in: str | None = None, sure: float = 0.0
) -> dict[str, Any]:
    """A version on the evaluation set that ``n`` names: the same records whatever the seed.

    ``worse`` of the answers (on one site) turn wrong; ``sure`` is added to every confidence.
    """
    records = np.random.default_rng(1000 + n)
    labels = records.integers(0, 3, n)
    site = records.choice(["north", "south"], n)
    hard = records.random(n)
    top = 0.75 + 0.24 * records.random(n)
    right = hard < top
    own = np.random.default_rng(seed)
    turned = own.random(n) < worse
    if worse_in is not None:
        turned &= site == worse_in
    right &= ~turned
    predicted = np.where(right, labels, (labels + 1) % 3)
    top = np.clip(top + sure, 0.4, 0.995)
    probabilities = np.repeat(((1 - top) / 2)[:, None], 3, axis=1)
    probabilities[np.arange(n), predicted] = top
    return {
        "id": np.array([f"r{k}" for k in range(n)]),
        "labels": labels,
        "probabilities": probabilities,
        "site": site,
        "latency_s": 0.02 + 0.01 * own.random(n),
        "cost": np.full(n, 0.002),
    }
