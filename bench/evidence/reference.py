"""The reference figures of one stream of independent items: samples until a shift is found.

One stream among ``streams`` equal ones, pool of 10 000 items, on average one false crossing in 1e5
samples of each stream. ``stated`` are the figures that the design asks for; beside them those of
KS with the best window in hindsight, as the design states them (not measured here).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from bench.evidence import results
from bench.evidence.options import Options
from detectors.evidence.items import run_length

STATED = {
    (0.5, 1): (100, 125),
    (0.25, 1): (280, 597),
    (0.1, 1): (1440, 2116),
    (0.5, 1000): (160, 376),
    (0.25, 1000): (540, 950),
    (0.1, 1000): (3520, 6986),
}


def main(options: Options) -> None:
    trials = 3 if options.quick else 200
    found: list[dict[str, Any]] = []
    for (shift, streams), (stated, window) in STATED.items():
        lengths = [run_length(shift=shift, streams=streams, seed=1000 + k) for k in range(trials)]
        late = np.array([np.inf if one is None else one for one in lengths])
        one: dict[str, Any] = {
            "shift": shift,
            "streams": streams,
            "trials": trials,
            "found": float(np.isfinite(late).mean()),
            "median": float(np.median(late)),
            "mean_of_found": float(late[np.isfinite(late)].mean()),
            "stated": stated,
            "ks_best_window_stated": window,
        }
        found.append(one)
        sys.stdout.write(
            f"{shift} sigma, {streams} streams: median {one['median']:.0f}, mean "
            f"{one['mean_of_found']:.0f}; stated {stated}\n"
        )
    results.merge(options.path, "reference", {"figures": found})
