"""How often the evidence engine pages without drift, how soon it finds one, and what a tick costs.

``python -m bench.evidence``
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.engine import FleetEvidence
from detectors.scores import ScoreBatch
from detectors.streams import StreamKey
from vigil.types import WHOLE, Slice

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

LAWS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "skewed, heavy tails": lambda rng, n: rng.exponential(size=n) ** 2,
    "three values": lambda rng, n: rng.integers(0, 3, n).astype(np.float64),
    "all streams equal": lambda rng, n: np.full(n, rng.standard_normal()),
}


def streams_of(n: int) -> tuple[StreamKey, ...]:
    """n streams on a model's whole (a twentieth) and its cameras."""
    whole = max(1, n // 20)
    return tuple(
        StreamKey("m", "p", WHOLE if i < whole else Slice((("camera", str(i)),)), f"s{i % whole}")
        for i in range(n)
    )


def batch_of(streams: tuple[StreamKey, ...], score: Floats) -> ScoreBatch:
    """Scores of unit noise."""
    one = np.ones(len(streams))
    return ScoreBatch(
        streams=streams,
        score=score,
        noise=one,
        records=one.astype(np.int64),
        novel=one < 0,
        open_score=score,
        open_noise=one,
        healthy={},
    )


def taught(
    n: int, windows: int, threshold: float, rng: np.random.Generator, draw: Draw
) -> tuple[FleetEvidence, tuple[StreamKey, ...]]:
    """An engine that has learned ``windows`` healthy windows of n streams."""
    streams = streams_of(n)
    engine = FleetEvidence(threshold, 100)
    engine.learn([batch_of(streams, draw(rng, n)) for _ in range(windows)])
    return engine, streams


def false_pages(draw: Draw, *, fleets: int = 60, ticks: int = 500, threshold: float = 200.0) -> str:
    """Pages per fleet of 40 streams, against the bound ticks / threshold."""
    rng = np.random.default_rng(0)
    pages = np.zeros(fleets)
    for fleet in range(fleets):
        engine, streams = taught(40, 200, threshold, rng, draw)
        for tick in range(1, ticks + 1):
            result = engine.step(batch_of(streams, draw(rng, 40)), tick=tick, rng=rng)
            if result.exceeded.any():
                pages[fleet] += result.exceeded.sum()
                engine.reset([streams[i] for i in np.flatnonzero(result.exceeded)])
    error = pages.std() / np.sqrt(fleets)
    return f"{pages.mean():.2f} +- {error:.2f} pages, allowed {ticks / threshold:.2f}"


def delay(shift: float, *, trials: int = 30, threshold: float = 43_200.0) -> str:
    """Windows until a shift of one of 300 streams pages, after 2000 windows of history."""
    rng = np.random.default_rng(1)
    engine, streams = taught(300, 2000, threshold, rng, LAWS["normal"])
    state = engine.to_bytes()
    found = []
    for _ in range(trials):
        engine = FleetEvidence.from_bytes(state)
        for tick in range(1, 301):
            score = rng.standard_normal(300)
            score[-1] += shift
            if engine.step(batch_of(streams, score), tick=tick, rng=rng).exceeded[-1]:
                break
        found.append(tick)
    return f"median {np.median(found):.0f}, 90 % within {np.quantile(found, 0.9):.0f} windows"


def cost(n: int) -> str:
    """Milliseconds a tick, and the size and time of the saved state."""
    rng = np.random.default_rng(2)
    engine, streams = taught(n, 120, 43_200.0, rng, LAWS["normal"])
    times = []
    for tick in range(1, 6):
        batch = batch_of(streams, rng.standard_normal(n))
        start = time.perf_counter()
        engine.step(batch, tick=tick, rng=rng)
        times.append(1e3 * (time.perf_counter() - start))
    start = time.perf_counter()
    state = engine.to_bytes()
    saved = 1e3 * (time.perf_counter() - start)
    return f"{np.median(times):.1f} ms a tick; state {len(state) / 2**20:.2f} MiB in {saved:.0f} ms"


def main() -> None:
    """Print all of it."""
    for name, draw in LAWS.items():
        print(f"no drift, {name:22} {false_pages(draw)}")
    for shift in (1.0, 1.5, 2.0, 3.0, 4.0, 8.0):
        print(f"shift of {shift:.1f} sigma of a window's score: {delay(shift)}")
    for n in (300, 3000, 20_000):
        print(f"{n:6} streams: {cost(n)}")


if __name__ == "__main__":
    main()
