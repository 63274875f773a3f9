"""What could be found on each stream: kept, read, and said."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from detectors.evidence.engine import FleetEvidence
from detectors.scores import ScoreBatch
from detectors.streams import StreamKey
from monitor.checks import coverage
from monitor.checks.coverage import Findable
from monitor.store.database import Sessions, open_engine
from monitor.store.tables import Base
from vigil.types import WHOLE, Slice

AT = datetime(2026, 1, 1, tzinfo=UTC)
CAMERA = Slice((("camera", "c1"),))
STREAMS = (
    StreamKey("m", "prod", WHOLE, "sharpness"),
    StreamKey("m", "prod", WHOLE, "embedding"),
    StreamKey("m", "prod", CAMERA, "sharpness"),
    StreamKey("m", "prod", CAMERA, "embedding"),
    StreamKey("other", "prod", WHOLE, "sharpness"),
)


def batch(rng: np.random.Generator) -> ScoreBatch:
    n = len(STREAMS)
    score = rng.normal(0, 0.02, n)
    return ScoreBatch(
        streams=STREAMS,
        score=score,
        noise=np.full(n, 0.02),
        records=np.full(n, 100),
        novel=np.zeros(n, bool),
        open_score=score,
        open_noise=np.full(n, 0.02),
        healthy={},
    )


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    engine = open_engine(f"sqlite:///{tmp_path}/coverage.db")
    Base.metadata.create_all(engine)
    return Sessions(engine)


def test_what_the_engine_says_is_kept_for_each_model(sessions: Sessions) -> None:
    """Twice: the second look replaces the first; other models' streams are left out."""
    rng = np.random.default_rng(0)
    engine = FleetEvidence(20_000, 20)
    with sessions.begin() as session:
        assert coverage.read(session, "m", "prod") == ()
        engine.learn([batch(rng) for _ in range(7)])
        coverage.write(session, engine, [("m", "prod")], at=AT)
        few = coverage.read(session, "m", "prod")
        assert [(one.slice, one.signal) for one in few] == [
            (str(stream.slice), stream.signal) for stream in STREAMS[:4]
        ]
        assert {one.text for one in few} == {"abstains: 7 of 20 windows of history"}
    engine = FleetEvidence(20_000, 20)
    engine.learn([batch(rng) for _ in range(2000)])
    with sessions.begin() as session:
        coverage.write(session, engine, [("m", "prod")], at=AT)
        found = coverage.read(session, "m", "prod")
    assert {one.history for one in found} == {2000}
    said = engine.findable(windows=coverage.WITHIN_WINDOWS)
    for one, stream in zip(found, STREAMS[:4], strict=True):
        smallest = np.nan if one.smallest is None else one.smallest
        np.testing.assert_allclose(smallest, said[stream], atol=1e-6)


@pytest.mark.parametrize(
    ("history", "smallest", "signal", "text"),
    [
        (34, None, "sharpness", "abstains: 34 of 200 windows of history"),
        (500, None, "sharpness", "abstains: no shift would show in time yet"),
        (500, 0.043, "sharpness", "0.043 of the mean rank"),
        (500, 0.0123, "embedding", "0.012 MMD^2"),
        (500, 0.3, "predicted_class", "0.3 chi-square / n"),
        (500, 0.05, "accuracy", "0.05 of accuracy"),
        (500, 0.01, "calibration", "0.01 squared ECE"),
    ],
)
def test_a_stream_says_what_it_could_find(history, smallest, signal, text) -> None:
    """With the unit of its score, or why it abstains."""
    one = Findable(
        slice="all traffic", signal=signal, history=history, needed=200, smallest=smallest
    )
    assert one.text == text
