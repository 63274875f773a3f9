"""From records to evidence: windows a second of back-fill and ingest, and what a tick costs.

A fleet of 12 cameras on 4 sites, 240 records of 24 x 24 x 3 pixels, 48-d embeddings and 10 classes
in each window, an eighteenth of them labelled; some 240 streams. The database is SQLite on disk.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

import monitor.backfill
import monitor.schedule.tick
from detectors.evidence.engine import FleetEvidence
from detectors.fit import fit_baseline
from monitor.backfill import backfill
from monitor.checks import state
from monitor.checks.points import Points
from monitor.ingest.ingest import Ingest
from monitor.ingest.receipts import LabelIn
from monitor.response.handle import Responder
from monitor.schedule.wiring import wire
from monitor.services import Services, open_services
from monitor.settings.schema import Checks, Service, Settings, WatchedModel
from monitor.store import baselines
from vigil.clock import ManualClock
from vigil.measuring.batch import RecordBatch, make_batch
from vigil.pipeline.recorder import Recorder
from vigil.types import ModelRef, utc
from vigil.windows.baseline import Baseline
from vigil.windows.window import Window

HISTORY, LIVE, WARM_UP = 400, 120, 20
EACH = 20
CAMERAS = [(f"site-{i // 3}", f"camera-{i}") for i in range(12)]
N = EACH * len(CAMERAS)
KEYS = ("site", "camera")
MODEL, VERSION = "reader", "v1"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
START = int(NOON.timestamp())
METADATA = {
    key: [camera[place] for camera in CAMERAS for _ in range(EACH)]
    for place, key in enumerate(KEYS)
}

Spent = dict[str, list[float]]


class Stopwatch:
    """Seconds spent in functions, by stage; a stage inside another counts in both."""

    def __init__(self) -> None:
        self.spent: Spent = defaultdict(list)

    @contextmanager
    def watching(self, stages: dict[str, tuple[Any, str]]) -> Iterator[None]:
        """While it lasts, calls of ``owner.name`` are timed under their stage."""
        with ExitStack() as stack:
            for stage, (owner, name) in stages.items():
                stack.enter_context(patch.object(owner, name, self._timed(stage, owner, name)))
            yield

    def _timed(self, stage: str, owner: Any, name: str) -> Callable[..., Any]:
        function = getattr(owner, name)

        @wraps(function)
        def timed(*args: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **named)
            finally:
                self.spent[stage].append(time.perf_counter() - start)

        return timed


def labelled_window(number: int) -> tuple[RecordBatch, NDArray[np.int64]]:
    """What the fleet sees in window ``number``, always the same."""
    rng = np.random.default_rng(number + 1)
    light = rng.uniform(80.0, 170.0, (N, 1, 1, 1))
    pixels = rng.integers(-60, 60, (N, 24, 24, 3), dtype=np.int16)
    scores = rng.normal(size=(N, 10)) * 2.0
    outputs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    numbers = np.arange(number * N, (number + 1) * N, dtype=np.uint64)
    batch = make_batch(
        ids=[f"log-{i}" for i in numbers.tolist()],
        counter=numbers,
        custom_ids=False,
        time_s=START + number + 0.5,
        version=VERSION,
        images=np.clip(light + pixels, 0, 255).astype(np.uint8),
        embeddings=rng.normal(size=(N, 48)).astype(np.float32),
        outputs=outputs.astype(np.float32),
        latency_s=rng.gamma(9.0, 0.004, N),
        metadata=METADATA,
    )
    return batch, np.where(rng.random(N) < 0.06, batch.prediction, -1)


def a_baseline() -> Baseline:
    model = ModelRef(name=MODEL, version=VERSION)
    looks = (labelled_window(HISTORY + LIVE + i) for i in range(60))
    return fit_baseline(model=model, batches=looks, keys=KEYS, dataset="synthetic", created_at=NOON)


def a_service(folder: Path, clock: ManualClock, baseline: Baseline) -> Services:
    settings = Settings(
        service=Service(
            database=f"sqlite:///{folder}/vigil.db", samples=f"{folder}/samples", window_s=1.0
        ),
        checks=Checks(min_history=200),
        models=(WatchedModel(name=MODEL, keys=KEYS),),
    )
    services = open_services(settings, clock=clock)
    with services.sessions.begin() as session:
        baselines.add(session, baseline)
    return services


def past(services: Services) -> None:
    """History, as ``vigil backfill`` makes it."""
    batches = [labelled_window(i) for i in range(HISTORY)]
    watch = Stopwatch()
    stages = {
        "sums and samples (Recorder.add)": (Recorder, "add"),
        "wire (Window.to_bytes)": (Window, "to_bytes"),
        "ingest (Ingest.windows)": (Ingest, "windows"),
        "labels (Ingest.labels)": (Ingest, "labels"),
        "scores (detectors.scores.score)": (monitor.backfill, "score"),
        "evidence (FleetEvidence.learn)": (FleetEvidence, "learn"),
    }
    with watch.watching(stages):
        start = time.perf_counter()
        report = backfill(services, services.settings.models[0], batches)
        seconds = time.perf_counter() - start
    say(
        f"back-fill of {report.windows} windows, {report.records:,} records, {report.labels:,} "
        f"labels, {report.streams} streams: {report.windows / seconds:,.0f} windows/s, "
        f"{report.records / seconds:,.0f} records/s"
    )
    table({name: sum(spent) for name, spent in watch.spent.items()}, seconds, HISTORY, "window")


def present(services: Services, clock: ManualClock, baseline: Baseline) -> None:
    """Windows of a live source, each taken in by itself and followed by its tick."""
    works = wire(services, holder="bench")
    recorder = Recorder(
        model=MODEL,
        deployment="production",
        source="fleet",
        boot="live",
        keys=KEYS,
        window_s=1.0,
        rulers=lambda version: baseline.ruler,
    )
    watch = Stopwatch()
    stages = {
        "read what came (gather)": (monitor.schedule.tick, "gather"),
        "scores (detectors.scores.score)": (monitor.schedule.tick, "score"),
        "evidence (FleetEvidence.step)": (FleetEvidence, "step"),
        "effects to show (Points.write)": (Points, "write"),
        "open incidents (Responder.follow_up)": (Responder, "follow_up"),
        "keep the evidence (state.save)": (state, "save"),
        "metrics (Points.export)": (Points, "export"),
    }
    taken_in: list[float] = []
    ticks: list[float] = []
    streams = 0
    for number in range(HISTORY, HISTORY + LIVE):
        batch, labels = labelled_window(number)
        tick = START + number + 1
        blobs = [window.to_bytes() for window in recorder.add(batch) + recorder.seal(tick)]
        clock.advance((utc(tick + 0.5) - clock.now()).total_seconds())
        start = time.perf_counter()
        services.ingest.windows(blobs)
        taken_in.append(time.perf_counter() - start)
        services.ingest.labels(
            [
                LabelIn(
                    id=batch.ids[row],
                    label=int(labels[row]),
                    model=MODEL,
                    version=VERSION,
                    prediction=int(batch.prediction[row]),
                    confidence=float(batch.probabilities[row].max()),
                    metadata=batch.metadata[row],
                )
                for row in np.flatnonzero(labels >= 0)
            ]
        )
        with watch.watching(stages):
            start = time.perf_counter()
            report = works.ticks.run(tick)
            ticks.append(time.perf_counter() - start)
        streams = report.streams if report else streams
    alone = float(np.median(taken_in[WARM_UP:]))
    say(
        f"\ningest of a window by itself, 48 sampled records: {1e3 * alone:.1f} ms, "
        f"{1 / alone:,.0f} windows/s"
    )
    usual = float(np.median(ticks[WARM_UP:]))
    say(
        f"\na tick of {streams} streams: median {1e3 * usual:.1f} ms, 95 % within "
        f"{1e3 * np.quantile(ticks[WARM_UP:], 0.95):.1f} ms; of a minute {usual / 60:.3%}"
    )
    table(
        {name: float(np.median(spent[WARM_UP:])) for name, spent in watch.spent.items()},
        usual,
        1,
        "tick",
    )


def table(stages: dict[str, float], total_s: float, count: int, what: str) -> None:
    """One line a stage: milliseconds, and the ratio to the whole."""
    rows = {**stages, "everything else": total_s - sum(stages.values())}
    for name, seconds in rows.items():
        ms = 1e3 * seconds / count
        say(f"  {name:38} {ms:7.2f} ms a {what}   {seconds / total_s:6.1%}")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Back-fill first: the ticks are judged against it."""
    with tempfile.TemporaryDirectory() as folder:
        clock = ManualClock(utc(START + HISTORY))
        baseline = a_baseline()
        services = a_service(Path(folder), clock, baseline)
        past(services)
        present(services, clock, baseline)
        services.close()


if __name__ == "__main__":
    main()
