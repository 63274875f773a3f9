"""Realised against stated false-alarm rates: of the engine, per kind of score, and of the one-off
detectors; and their power.

Engine: 40 streams with two weeks of burn-in, then days without a fault at a threshold of 200 ticks,
evidence reset after each crossing (nothing held), under three kinds of healthy traffic. The stated
bound is ticks / 200 over the fleet. ``profile``, ``trailing`` and ``tempering`` are switched off in
turn where the engine lets us.

Detectors: two samples of one law, many times; the share of p-values at or below alpha = 0.05. And
the same with a shift. Where a detector has no p-value, the share of ``drifted`` is given alone.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import detectors
from bench.evidence import results
from bench.evidence.fleet import Fleet, batch, fingerprint, step
from bench.evidence.laws import Bank
from bench.evidence.options import Options
from bench.evidence.traffic import DAY, EXCHANGEABLE, Traffic, World
from detectors.detector import Takes
from detectors.evidence.engine import FleetEvidence
from detectors.methods.boxes.boxes import Boxes
from detectors.methods.labels.labelled import Labelled
from vigil.types import Outcome

Floats = NDArray[np.float64]

THRESHOLD = 200.0
SMALL = replace(
    EXCHANGEABLE,
    sites=2,
    cameras=5,
    whole=(1000.0, 1000.0),
    site=(200.0, 500.0),
    camera=(40.0, 200.0),
)
NULLS: dict[str, Traffic] = {
    "exchangeable": SMALL,
    "seasonal": replace(SMALL, name="seasonal", season=0.5, night=0.2),
    "autocorrelated": replace(SMALL, name="autocorrelated", wobble=0.1),
}
SWITCHES: dict[str, dict[str, Any]] = {
    "everything": {},
    "no profile": {"profile": False},
    "no tempering": {"tempering": False},
    "neither": {"profile": False, "tempering": False},
}
ALPHA = 0.05


def switches() -> dict[str, dict[str, Any]]:
    """Those of the above that the engine knows."""
    known = inspect.signature(FleetEvidence.__init__).parameters
    return {name: one for name, one in SWITCHES.items() if set(one) <= set(known)}


def engine_rate(
    traffic: Traffic, bank: Bank, seed: int, days: int, burn_in: int, given: dict[str, Any]
) -> dict[str, Any]:
    """Crossings of each kind of score, and what was allowed."""
    engine = FleetEvidence(THRESHOLD, **given)
    fleet = Fleet([World(traffic, seed)], bank, engine=engine)
    kinds = np.array(fleet.kinds)[fleet.world.signal_of]
    crossings = dict.fromkeys(fleet.kinds, 0)
    for day in range(burn_in + days):
        rng = np.random.default_rng([seed, 2, day])
        drawn = fleet.world.next_block()
        score, noise, records = bank.scores(drawn, fleet.world.signal_of, rng)
        for t in range(len(score)):
            tick = drawn.first + t + 1
            scores = batch(fleet.streams, score[t], noise[t], records[t])
            result = step(engine, scores, tick, rng)
            if not result.exceeded.any():
                continue
            over = np.flatnonzero(result.exceeded)
            engine.reset([fleet.streams[i] for i in over])
            if day >= burn_in:
                for i in over:
                    crossings[str(kinds[i])] += 1
    return {
        "crossings": sum(crossings.values()),
        "allowed": days * DAY / THRESHOLD,
        "by_kind": crossings,
        "allowed_each_kind": days * DAY / THRESHOLD / len(crossings),
    }


Sample = Callable[[np.random.Generator, int, float], Any]


def _scalar(rng: np.random.Generator, n: int, shift: float) -> Any:
    return rng.normal(shift, 1.0, n)


def _positive(rng: np.random.Generator, n: int, shift: float) -> Any:
    return rng.gamma(4.0, 0.01, n) * (1.0 + shift)


def _with_gaps(rng: np.random.Generator, n: int, shift: float) -> Any:
    values = rng.normal(size=n)
    values[rng.random(n) < 0.02 * (1.0 + 4.0 * shift)] = np.nan
    return values


def _category(rng: np.random.Generator, n: int, shift: float) -> Any:
    p = np.full(6, 1 / 6) * np.exp(shift * np.array([1, -1, 0.5, -0.5, 0, 0]))
    return rng.choice(6, n, p=p / p.sum())


def _embedding(rng: np.random.Generator, n: int, shift: float) -> Any:
    rows = rng.normal(size=(n, 16))
    rows[:, :4] += shift
    return rows


def _labelled(rng: np.random.Generator, n: int, shift: float) -> Any:
    logits = rng.normal(size=(n, 5)) * 2.0
    p = np.exp(logits)
    p /= p.sum(axis=1, keepdims=True)
    truth = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, 4)
    wrong = rng.random(n) < 0.3 * shift
    # The same faults in probabilities (flatter, towards class 0) and in labels.
    flat = p ** (1.0 / (1.0 + shift)) + np.eye(5)[0] * 0.3 * shift
    return Labelled(
        probabilities=flat / flat.sum(axis=1, keepdims=True),
        labels=np.where(wrong, rng.integers(0, 5, n), truth),
    )


def _boxes(rng: np.random.Generator, n: int, shift: float) -> Any:
    image = np.repeat(np.arange(n), rng.poisson(3.0 * (1.0 + shift), n))
    corner = rng.random((len(image), 2)) * 0.6
    size = 0.05 + 0.3 * rng.random((len(image), 2))
    boxes = np.concatenate([corner, corner + size], axis=1)
    kept = rng.random(len(image)) < 0.9 - 0.4 * min(shift, 1.0)
    return Boxes(
        images=n,
        image=image[kept],
        boxes=boxes[kept],
        scores=rng.beta(6, 2, len(image))[kept],
        classes=rng.integers(0, 3, len(image))[kept],
        true_image=image,
        true_boxes=boxes,
        true_classes=np.zeros(len(image), int),
    )


SAMPLES: dict[Takes, Sample] = {
    Takes.SCALAR: _scalar,
    Takes.CATEGORY: _category,
    Takes.EMBEDDING: _embedding,
    Takes.LABELLED: _labelled,
    Takes.BOXES: _boxes,
}
SPECIAL: dict[str, Sample] = {"latency_quantiles": _positive, "missing_data": _with_gaps}


def detector_rates(
    name: str, *, trials: int, rows: int, shifts: tuple[float, ...]
) -> dict[str, Any]:
    """Share of rejections (p <= alpha) and of ``drifted`` at each shift; 0 is the null."""
    detector = detectors.get(name, alpha=ALPHA)
    sample = SPECIAL.get(name) or SAMPLES[detector.takes]
    out: dict[str, Any] = {"takes": str(detector.takes), "exactness": str(detector.exactness)}
    out |= {"trials": trials, "rows": rows}
    for shift in shifts:
        p_values, drifted = [], 0
        for k in range(trials):
            rng = np.random.default_rng([k, *name.encode()])
            found = detector.compare(sample(rng, rows, 0.0), sample(rng, rows, shift))
            drifted += found.outcome is Outcome.DRIFTED
            if found.p_value is not None:
                p_values.append(found.p_value)
        rate = float(np.mean(np.array(p_values) <= ALPHA)) if p_values else None
        out[f"{shift:g}"] = {"rejects": rate, "drifted": drifted / trials}
    return out


def main(options: Options) -> None:
    detector_part(options)
    engine_part(options)


def detector_part(options: Options) -> None:
    """Every registered detector."""
    trials = 10 if options.quick else 300
    found: dict[str, Any] = {}
    for name in detectors.names():
        slow = detectors.get(name).takes is Takes.EMBEDDING
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[name] = detector_rates(
                name,
                trials=trials // 3 if slow else trials,
                rows=100 if slow else 500,
                shifts=(0.0, 0.1, 0.25, 0.5, 1.0),
            )
        sys.stdout.write(f"{name}: {found[name]}\n")
        sys.stdout.flush()
    document = results.document(options.path).get("guarantees", {})
    document |= {"detectors": found, "alpha": ALPHA}
    results.merge(options.path, "guarantees", document)


def engine_part(options: Options) -> None:
    """The engine on three kinds of healthy traffic, with and without its cures."""
    days, burn_in = (1, 1) if options.quick else (4, 15)
    engine: dict[str, Any] = {}
    for label, traffic in NULLS.items():
        bank = Bank(traffic, draws=20 if options.quick else 300, cache=options.scratch)
        for switch, given in switches().items():
            one = engine_rate(traffic, bank, 401, days, burn_in, given)
            engine.setdefault(label, {})[switch] = one
            sys.stdout.write(f"{label}, {switch}: {one}\n")
            sys.stdout.flush()
            document = results.document(options.path).get("guarantees", {})
            document |= {"engine": engine, "threshold": THRESHOLD, "engine_code": fingerprint()}
            results.merge(options.path, "guarantees", document)
