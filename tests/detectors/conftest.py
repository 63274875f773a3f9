"""A small synthetic fleet: cameras on sites, each with its own look, and a model that sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest

from detectors.evidence.engine import FleetEvidence
from detectors.fit import fit_baseline
from detectors.frame import Part
from detectors.scores import ScoreBatch, score
from detectors.streams import StreamKey
from vigil.measuring.batch import RecordBatch, make_batch
from vigil.measuring.summarise import summarise
from vigil.types import WHOLE, ModelRef, Slice
from vigil.windows.baseline import Baseline
from vigil.windows.summary import Outcomes, Summary

KEYS = ("site", "camera")
CAMERAS = tuple((f"s{i // 3}", f"c{i:02d}") for i in range(12))
NEW_CAMERAS = tuple(("s9", f"n{i}") for i in range(3))
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Fleet:
    """Batches of a fleet of cameras; faults on request."""

    start = START
    cameras = CAMERAS
    with_new_site = (*CAMERAS, *NEW_CAMERAS)
    seed: int = 0
    looks: dict[tuple[str, str], tuple[float, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.head = self.rng.normal(0, 1, (8, 5))
        for camera in (*CAMERAS, *NEW_CAMERAS):
            self.looks[camera] = (self.rng.uniform(0.4, 0.6), self.rng.normal(0, 0.3, 8))

    def batch(
        self,
        per_camera: int = 12,
        *,
        cameras: Sequence[tuple[str, str]] = CAMERAS,
        temper: float = 1.0,
        blurred: tuple[str, str] | None = None,
        unfamiliar: float = 0.0,
        version: str = "v1",
        latency_s: float = 0.005,
    ) -> RecordBatch:
        signals, vectors, metadata = [], [], []
        for camera in cameras:
            n = int(self.rng.poisson(per_camera)) if per_camera > 1 else 1
            brightness, offset = self.looks[camera]
            x = self.rng.normal(0, 1, (n, 8)) + offset
            if camera in NEW_CAMERAS:
                x += unfamiliar
            sharp = self.rng.normal(1.5, 0.2, n)
            if camera == blurred:
                sharp = self.rng.normal(0.5, 0.1, n)
            signals.append(
                np.stack(
                    [
                        self.rng.normal(brightness, 0.05, n),
                        self.rng.normal(0.2, 0.03, n),
                        sharp,
                        np.zeros(n),
                        self.rng.beta(0.5, 8, n),
                        self.rng.gamma(4, 0.005, n),
                    ],
                    axis=1,
                )
            )
            vectors.append(x)
            metadata += [{"site": camera[0], "camera": camera[1]}] * n
        x = np.concatenate(vectors)
        logits = x @ self.head * temper
        exp = np.exp(logits - logits.max(axis=1, keepdims=True))
        n = len(x)
        batch = make_batch(
            ids=[f"{version}.{self.rng.integers(2**60)}" for _ in range(n)],
            counter=np.arange(n, dtype=np.uint64),
            custom_ids=False,
            time_s=0.0,
            version=version,
            embeddings=x,
            outputs=exp / exp.sum(axis=1, keepdims=True),
            latency_s=self.rng.gamma(5, latency_s / 5, n),
            metadata=metadata,
        )
        batch.signals[:, :6] = np.concatenate(signals)
        return batch

    def labels(self, batch: RecordBatch, error: float = 0.0) -> np.ndarray:
        """Labels that agree with the probabilities, less a share ``error`` that is wrong."""
        cumulative = batch.probabilities.cumsum(axis=1)
        drawn = (self.rng.random((len(batch), 1)) > cumulative).sum(axis=1)
        label = np.minimum(drawn, batch.probabilities.shape[1] - 1)
        wrong = self.rng.random(len(batch)) < error
        return np.where(wrong, (batch.prediction + 1) % 5, label).astype(np.int64)

    def baseline(self, version: str = "v1", *, labelled: bool = True, seed: int = 0) -> Baseline:
        def batches():
            for _ in range(12):
                batch = self.batch(60, version=version)
                yield batch, self.labels(batch) if labelled else None

        return fit_baseline(
            model=ModelRef(name="digits", version=version),
            batches=batches(),
            keys=KEYS,
            dataset="synthetic",
            created_at=START,
            seed=seed,
        )

    def summary(self, baseline: Baseline, per_camera: int = 12, **faults: object) -> Summary:
        return summarise(self.batch(per_camera, **faults), baseline.ruler)[0]

    def part(self, baseline: Baseline, per_camera: int = 12, **faults: object) -> Part:
        return Part(baseline=baseline, summary=self.summary(baseline, per_camera, **faults))

    def scores(self, baseline: Baseline, per_camera: int = 12, **faults: object) -> ScoreBatch:
        return score([self.part(baseline, per_camera, **faults)], "digits", "production")

    def outcomes(self, batch: RecordBatch, error: float = 0.0) -> Outcomes:
        cells = [(m["site"], m["camera"]) for m in batch.metadata]
        right = self.labels(batch, error) == batch.prediction
        return Outcomes.of(KEYS, cells, batch.probabilities.max(axis=1), right)


@pytest.fixture
def fleet(request: pytest.FixtureRequest) -> Fleet:
    """The fleet, with draws of this test's own: none depends on which tests ran before it."""
    fleet = Fleet()
    fleet.rng = np.random.default_rng([1, *request.node.name.encode()])
    return fleet


@pytest.fixture(scope="session")
def lasting_fleet() -> Fleet:
    """The same fleet for fixtures that outlive a test and bring a generator of their own."""
    return Fleet()


@pytest.fixture(scope="session")
def baseline() -> Baseline:
    return Fleet().baseline()


@pytest.fixture(scope="session")
def learned(baseline: Baseline) -> bytes:
    """An engine that has learned 1000 healthy windows of the fleet, as bytes."""
    fleet = Fleet()
    fleet.rng = np.random.default_rng(2)
    engine = FleetEvidence(20_000, 200)
    engine.learn([fleet.scores(baseline) for _ in range(1000)])
    return engine.to_bytes()


def plain_streams(n: int) -> tuple[StreamKey, ...]:
    """n streams: the first tenth of the whole model, the others of cameras."""
    whole = max(1, n // 10)
    return tuple(
        StreamKey("m", "p", WHOLE if i < whole else Slice((("camera", str(i)),)), f"signal{i}")
        for i in range(n)
    )


def plain_scores(streams: tuple[StreamKey, ...], values: np.ndarray, **changes) -> ScoreBatch:
    """Scores of unit noise."""
    n = len(streams)
    columns = {
        "score": values,
        "noise": np.ones(n),
        "records": np.full(n, 10),
        "novel": np.zeros(n, bool),
        "open_score": values,
        "open_noise": np.ones(n),
        "healthy": {},
    }
    return ScoreBatch(streams=streams, **{**columns, **changes})


@pytest.fixture
def plain():
    """``plain.streams(n)`` and ``plain.scores(streams, values)``: streams without a fleet."""

    class Plain:
        streams = staticmethod(plain_streams)
        scores = staticmethod(plain_scores)

    return Plain
