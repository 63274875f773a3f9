"""A diagnosis names two fields where cells have three, and measures the slice it names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from detectors.fit import fit_baseline
from detectors.frame import Part
from detectors.streams import StreamKey
from monitor.checks.diagnose import Scene, diagnose, named_slice
from monitor.checks.judge import Onset, Rules, Standing, drifts, measure
from monitor.checks.recent import RecentTicks
from monitor.store.database import Sessions, open_engine
from monitor.store.tables import Base
from vigil.measuring.batch import RecordBatch, make_batch
from vigil.measuring.summarise import summarise
from vigil.types import Cause, ModelRef, Slice
from vigil.windows.baseline import Baseline
from vigil.windows.summary import Outcomes, slices_of

KEYS = ("site", "lens", "shift")
CELLS = tuple(product(("north", "south", "west"), ("A", "B", "C"), ("day", "dusk", "night")))
NAMED = Slice((("site", "north"), ("lens", "B")))
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def batch(rng: np.random.Generator, per_cell: int, *, blurred: bool = False) -> RecordBatch:
    n = per_cell * len(CELLS)
    metadata = [dict(zip(KEYS, cell, strict=True)) for cell in CELLS for _ in range(per_cell)]
    logits = rng.normal(0, 1, (n, 4))
    exp = np.exp(logits)
    made = make_batch(
        ids=[str(i) for i in rng.integers(2**60, size=n)],
        counter=np.arange(n, dtype=np.uint64),
        custom_ids=False,
        time_s=0.0,
        version="v1",
        embeddings=rng.normal(0, 1, (n, 4)),
        outputs=exp / exp.sum(axis=1, keepdims=True),
        latency_s=rng.gamma(5, 0.001, n),
        metadata=metadata,
    )
    made.signals[:, :6] = rng.normal(0.5, 0.05, (n, 6))
    if blurred:
        hit = [m["site"] == "north" and m["lens"] == "B" for m in metadata]
        made.signals[np.array(hit), 2] -= 0.2
    return made


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    rng = np.random.default_rng(0)
    return fit_baseline(
        model=ModelRef(name="m", version="v1"),
        batches=((batch(rng, 60), None) for _ in range(4)),
        keys=KEYS,
        dataset="made",
        created_at=NOW,
        seed=0,
    )


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    engine = open_engine(f"sqlite:///{tmp_path}/named.db")
    Base.metadata.create_all(engine)
    return Sessions(engine)


def scene(baseline: Baseline, between: float = 0.0) -> Scene:
    rng = np.random.default_rng(1)
    part = Part(
        baseline=baseline,
        summary=summarise(batch(rng, 40, blurred=True), baseline.ruler)[0],
        windows=4,
    )
    rules = Rules(tolerances={}, objectives={}, threshold=1000.0, between=lambda _: between)
    streams = [
        StreamKey("m", "prod", piece, signal)
        for piece in slices_of(KEYS, part.summary.cells)
        for signal in ("sharpness", "brightness")
    ]
    standing = [
        Standing(
            stream=stream,
            z=5.0,
            evidence=2000.0 + position,
            onset_tick=97,
            onset_first=97,
            onset_last=97,
            provisional=False,
            exceeded=True,
        )
        for position, stream in enumerate(streams)
    ]
    found = measure([part], streams, rules)
    beyond = drifts(standing, found, [part], rules, frozenset())
    return Scene(
        family=("m", "prod"),
        version="v1",
        alarming=[drift.stream for drift in beyond],
        drifts=beyond,
        parts=[part],
        rules=rules,
        recent=RecentTicks(),
        onset_tick=97,
        onset=Onset.at_tick(97, 60.0),
        at=NOW,
        window_s=60.0,
        to_parts=lambda first, last, version: [],
    )


def test_two_of_three_fields_are_named_and_measured(baseline, sessions):
    """``site=north & lens=B`` has no stream of its own: its effect is measured, its evidence is
    that of the strongest stream of the signal, and the cause is read from it."""
    story = scene(baseline)
    assert NAMED not in {drift.stream.slice for drift in story.drifts}
    with sessions() as session:
        found = diagnose(session, story)
    assert str(found.slice) == "site=north & lens=B"
    first = found.drifts[0]
    assert (first.stream.slice, first.stream.signal) == (NAMED, "sharpness")
    assert first.effect is not None
    assert first.effect.low > 0.5
    assert first.effect.records == 120
    assert first.evidence == max(d.evidence for d in story.drifts if d.stream.signal == "sharpness")
    assert first.before is not None
    assert first.now is not None
    assert first.before - first.now == pytest.approx(0.2, abs=0.02)
    assert found.cause is Cause.INPUT_FAULT
    assert (found.onset_first, found.onset_last) == (story.onset.first, story.onset.last)


def test_the_named_slice_varies_as_its_streams_do(baseline, sessions):
    """Variation between windows widens the interval of a slice without streams too."""
    with sessions() as session:
        narrow = diagnose(session, scene(baseline)).drifts[0].effect
        wide = diagnose(session, scene(baseline, between=0.01)).drifts[0].effect
    assert narrow is not None
    assert wide is not None
    assert wide.value == narrow.value
    assert wide.low < narrow.low - 0.03


def labelled(baseline: Baseline, labels: dict[tuple[str, ...], tuple[int, bool]]) -> Scene:
    """Healthy traffic in every cell, and so many labels, all right or all wrong, in some."""
    known = Outcomes.of(
        KEYS,
        [cell for cell in CELLS for _ in range(60)],
        np.full(60 * len(CELLS), 0.9),
        np.tile(np.arange(60) < 54, len(CELLS)),
    )
    rows = [(cell, right) for cell, (count, right) in labels.items() for _ in range(count)]
    part = Part(
        baseline=replace(baseline, outcomes=known, sha256=""),
        summary=summarise(batch(np.random.default_rng(2), 40), baseline.ruler)[0],
        outcomes=Outcomes.of(
            KEYS,
            [cell for cell, _ in rows],
            np.full(len(rows), 0.9),
            np.array([right for _, right in rows]),
        ),
        windows=4,
    )
    healthy = scene(baseline)
    alarming = StreamKey("m", "prod", Slice(), "accuracy")
    return replace(healthy, parts=[part], alarming=[alarming], drifts=[])


def test_a_drift_seen_where_labels_came_first_is_not_confined_to_there(baseline):
    """Twelve wrong labels at one camera, and next to none elsewhere: nothing speaks for a fault of
    that camera alone."""
    few = {CELLS[0]: (12, False), CELLS[5]: (3, True)}
    assert named_slice(labelled(baseline, few)) == Slice()


def test_a_drift_beside_healthy_labels_is_confined(baseline):
    """The same wrong labels, and right ones in all other cells."""
    many = dict.fromkeys(CELLS, (5, True)) | {
        cell: (12, False) for cell in CELLS if cell[0] == "north"
    }
    assert named_slice(labelled(baseline, many)) == Slice((("site", "north"),))
