"""What a tick of 20 000 streams and a check of one large window cost, beside tools on raw rows."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from bench.evidence import results
from bench.evidence.fleet import batch, step
from bench.evidence.options import Options
from detectors.evidence.engine import FleetEvidence
from detectors.exact_mmd import permutation_test
from detectors.frame import Part
from detectors.scores import score
from detectors.streams import StreamKey
from vigil.types import WHOLE, ModelRef, Slice
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Projection, Ruler
from vigil.windows.sample import Sample
from vigil.windows.summary import FEATURE_UNIT, MOMENT_UNIT, Layout, Summary

Floats = NDArray[np.float64]


def streams_of(n: int) -> tuple[StreamKey, ...]:
    """n streams: ten signals of the whole model, of sites and of cameras."""
    out = []
    for i in range(n):
        place, signal = divmod(i, 10)
        piece = WHOLE
        if place:
            piece = Slice((("camera", f"c{place}"), ("site", f"s{place % 100}")))
            piece = Slice((("site", f"s{place}"),)) if place <= 100 else piece
        out.append(StreamKey("m", "p", piece, f"signal{signal}"))
    return tuple(out)


def times(
    call: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> Floats:
    """Milliseconds of each call."""
    found = []
    for _ in range(repeats):
        start = clock()
        call()
        found.append(1e3 * (clock() - start))
    return np.array(found)


def tick_cost(n: int, *, ticks: int, history: int) -> dict[str, Any]:
    """Milliseconds of a tick of n streams with settled histories; size and time of saving."""
    rng = np.random.default_rng(5)
    streams = streams_of(n)
    engine = FleetEvidence(43_200.0, min_history=history)
    noise, records = np.ones(n), np.full(n, 100)
    number = 0

    def tick() -> None:
        nonlocal number
        number += 1
        step(engine, batch(streams, rng.standard_normal(n), noise, records), number, rng)

    for _ in range(history + 5):
        tick()
    spent = times(tick, ticks)
    worked = times(tick, ticks, time.process_time)
    state = b""

    def save() -> None:
        nonlocal state
        state = engine.to_bytes()

    saved = times(save, 3)
    restored = times(lambda: FleetEvidence.from_bytes(state), 3)
    return {
        "streams": n,
        "tick_ms": float(np.median(spent)),
        "tick_cpu_ms": float(np.median(worked)),
        "tick_ms_90": float(np.quantile(spent, 0.9)),
        "state_mib": len(state) / 2**20,
        "save_ms": float(np.median(saved)),
        "restore_ms": float(np.median(restored)),
        "memory_bytes_a_stream": _memory(engine) / n,
    }


def _memory(engine: FleetEvidence) -> float:
    """Bytes of all arrays that the engine's parts hold, each once."""
    seen: set[int] = set()
    total = 0

    def walk(value: object, depth: int) -> None:
        nonlocal total
        if id(value) in seen or depth > 4:
            return
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            total += value.nbytes
        elif isinstance(value, dict):
            for item in list(value.values())[:200]:
                walk(item, depth + 1)
        elif isinstance(value, list | tuple) and len(value) < 200:
            for item in value:
                walk(item, depth + 1)
        elif type(value).__module__.startswith("detectors"):
            names = [*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())]
            for name in names:
                walk(getattr(value, name, None), depth + 1)

    walk(engine, 0)
    return float(total)


def check_cost(rows: int, *, repeats: int) -> dict[str, Any]:
    """A check of a window of ``rows`` x 20 signals + 512-d embedding: from summaries, and raw."""
    rng = np.random.default_rng(6)
    names = tuple(f"signal{i}" for i in range(20))
    reference = rng.standard_normal((rows, 20))
    current = rng.standard_normal((rows, 20))
    layout = Layout(keys=(), signals=names, bins=64, classes=10, features=256)
    projection = Projection(
        weights=(rng.standard_normal((128, 512)) / 32.0).astype(np.float32),
        mean=np.zeros(512, np.float32),
        whitening=np.eye(32, 512, dtype=np.float32),
    )
    ruler = Ruler(
        model=ModelRef(name="m", version="v"),
        layout=layout,
        edges=np.quantile(reference, np.arange(1, 64) / 64, axis=0).T.copy(),
        center=np.zeros(20),
        scale=np.ones(20),
        projection=projection,
    )
    baseline = Baseline(
        model=ruler.model,
        dataset="synthetic",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        ruler=ruler,
        reference=_summary(ruler, reference, rng),
        outcomes=None,
        healthy_scores={},
        sample=Sample.empty(names),
    )
    part = Part(baseline=baseline, summary=_summary(ruler, current, rng))
    check = times(lambda: score([part], "m", "p"), repeats)
    worked = times(lambda: score([part], "m", "p"), repeats, time.process_time)
    raw = times(lambda: [ks_2samp(reference[:, s], current[:, s]) for s in range(20)], 1)
    return {
        "rows": rows,
        "check_ms": float(np.median(check[1:])),
        "check_cpu_ms": float(np.median(worked)),
        "check_ms_90": float(np.quantile(check[1:], 0.9)),
        "scipy_ks_20_columns_raw_ms": float(raw[0]),
        "evidently_20_columns_raw_ms": _evidently(reference, current, names),
    }


def _summary(ruler: Ruler, values: Floats, rng: np.random.Generator) -> Summary:
    rows = len(values)
    bins = ruler.digitise(values.astype(np.float32))
    counts = np.zeros((1, 20, 65), np.int64)
    for s in range(20):
        counts[0, s] = np.bincount(bins[:, s], minlength=65)
    moments = np.stack([values.sum(axis=0), (values**2).sum(axis=0)], axis=1)
    moments *= np.array([MOMENT_UNIT, MOMENT_UNIT**2])
    features = np.zeros(256)
    assert ruler.projection is not None
    for _ in range(0, rows, 5000):
        drawn = rng.standard_normal((min(rows, 5000), 512)).astype(np.float32)
        features += ruler.projection.transform(drawn).sum(axis=0, dtype=np.float64)
    return Summary(
        layout=ruler.layout,
        cells=((),),
        records=np.array([rows]),
        counts=counts,
        moments=np.rint(moments)[None].astype(np.int64),
        classes=np.append(rng.multinomial(rows, np.full(10, 0.1)), 0)[None].astype(np.int64),
        embedded=np.array([rows]),
        features=np.rint(features * FEATURE_UNIT)[None].astype(np.int64),
    )


def _evidently(reference: Floats, current: Floats, names: tuple[str, ...]) -> float | None:
    """Evidently's drift of 20 columns on raw rows; None where it is not installed."""
    if importlib.util.find_spec("evidently") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        definition = DataDefinition(numerical_columns=list(names))
        sides = [
            Dataset.from_pandas(pd.DataFrame(rows, columns=list(names)), data_definition=definition)
            for rows in (current, reference)
        ]
        report = Report([ValueDrift(column=name) for name in names])
        few = [
            Dataset.from_pandas(
                pd.DataFrame(rows[:50], columns=list(names)), data_definition=definition
            )
            for rows in (current, reference)
        ]
        report.run(*few).dict()  # what it imports late is not counted
        return float(times(lambda: report.run(*sides).dict(), 1)[0])


def mmd_cost(rows: int, permutations: int) -> dict[str, Any]:
    """Exact MMD of rows x 512 on each side, with permutations, on the CPU."""
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((2, rows, 512)).astype(np.float32)
    spent = times(lambda: permutation_test(x, y, permutations, rng), 1)
    return {"rows": rows, "permutations": permutations, "seconds": float(spent[0]) / 1e3}


def main(options: Options) -> None:
    quick = options.quick
    n = 500 if quick else 20_000
    found: dict[str, Any] = {}
    small = tick_cost(300, ticks=20 if quick else 200, history=50)
    found["tick_300"] = small
    large = tick_cost(n, ticks=3 if quick else 15, history=30)
    found["tick_20k"] = large
    found["check"] = check_cost(1000 if quick else 50_000, repeats=5 if quick else 51)
    found["exact_mmd"] = mmd_cost(200 if quick else 10_000, 20 if quick else 1000)
    found["tick_ms_20k"] = large["tick_ms"]
    found["check_ms"] = found["check"]["check_ms"]
    found["load"] = os.getloadavg()[0]
    found["goals"] = {"tick_ms_20k": 100.0, "check_ms": 5.0}
    for name, one in found.items():
        sys.stdout.write(f"{name}: {one}\n")
    results.merge(options.path, "speed", found)
