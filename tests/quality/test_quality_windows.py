"""Data faults travel: from the baseline's records to the ruler, from batches to windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from detectors.fit import fit_baseline
from vigil.errors import WireError
from vigil.measuring.batch import make_batch
from vigil.measuring.measure import Measure
from vigil.pipeline.recorder import Recorder
from vigil.quality.kinds import DataFault
from vigil.types import ModelRef
from vigil.windows import wire
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Ruler
from vigil.windows.window import Window

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SITES = [{"site": "n", "camera": "c1"}, {"site": "s", "camera": "c2"}]


def arguments(n=40, *, seed=0, time_s=60.0, **changes):
    rng = np.random.default_rng(seed)
    values = {
        "ids": [f"s.b.{i}" for i in range(n)],
        "counter": np.arange(n, dtype=np.uint64),
        "custom_ids": False,
        "time_s": time_s + np.linspace(0.0, 1.0, n),
        "version": "v1",
        "images": rng.integers(0, 256, (n, 24, 24, 3), np.uint8),
        "outputs": rng.dirichlet(np.ones(5), n),
        "embeddings": rng.normal(size=(n, 8)),
        "metadata": [SITES[i % 2] for i in range(n)],
    }
    return {**values, **changes}


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return fit_baseline(
        model=ModelRef(name="m", version="v1"),
        batches=[(make_batch(**arguments(200, seed=9)), None)],
        keys=("site",),
        dataset="noise",
        created_at=NOW,
    )


def window_of(ruler: Ruler, *calls) -> Window:
    recorder = Recorder(
        model="m",
        deployment="d",
        source="s",
        boot="b",
        keys=("site",),
        window_s=60.0,
        rulers=lambda version: ruler,
    )
    measure = Measure(keys=("site",))
    for call in calls:
        recorder.add(measure.batch(**call))
    (window,) = recorder.close()
    return Window.from_bytes(window.to_bytes())


def test_a_baseline_knows_what_its_records_look_like(baseline):
    """It comes back with the ruler, which is all that a tap reads."""
    schema = Ruler.from_bytes(baseline.ruler.to_bytes()).schema
    assert schema == baseline.ruler.schema == Baseline.from_bytes(baseline.to_bytes()).ruler.schema
    assert (schema.sizes, schema.channels, schema.types) == (("24x24",), (3,), ("uint8",))
    assert (schema.classes, schema.dimension, schema.records) == (5, 8, 200)
    assert {name: key.share for name, key in schema.keys.items()} == {"site": 1.0, "camera": 1.0}


def test_rulers_of_older_baselines_check_nothing_and_keep_their_names(baseline):
    """The id of a ruler does not depend on its schema: older taps don't know of it."""
    old = replace(baseline.ruler, schema=None, id="")
    assert old.id == baseline.ruler.id
    header, _ = wire.unpack(old.to_bytes())
    assert "schema" not in header
    strange = arguments(
        images=np.zeros((40, 9, 9), np.float32) + np.linspace(0, 1, 81).reshape(9, 9)
    )
    found = window_of(Ruler.from_bytes(old.to_bytes()), strange).quality
    assert set(found.counts) <= {"near_duplicate", "frozen_frame"}


def test_a_ruler_with_a_damaged_schema_is_refused(baseline):
    header, arrays = wire.unpack(baseline.ruler.to_bytes())
    header["schema"]["keys"] = 5
    with pytest.raises(WireError, match="not a ruler"):
        Ruler.from_bytes(wire.pack(header, arrays))


def test_good_records_have_no_fault(baseline):
    window = window_of(baseline.ruler, arguments(), arguments(seed=2))
    assert not window.quality
    header, _ = wire.unpack(window.to_bytes())
    assert "quality" not in header


def test_faults_are_counted_where_they_are(baseline):
    """Of one site the frames are black, of the other one call lacks the camera's name."""
    images = arguments()["images"].copy()
    images[1::2] = 0
    black = arguments(images=images)
    nameless = arguments(seed=3, metadata=[{"site": "n"}] * 40, time_s=62.0)
    other = arguments(seed=4, embeddings=np.zeros((40, 3)), time_s=63.0)
    quality = window_of(baseline.ruler, black, nameless, other).quality
    assert quality.counts["black_frame"] == {("s",): 20}
    assert quality.counts["key_missing"] == {("n",): 40}
    assert quality.counts["embedding_size"] == {("n",): 20, ("s",): 20}
    assert quality.examples["embedding_size"] == "expected 8 dimensions, found 3"
    assert quality.counts["frozen_frame"] == {("s",): 20 - 7}


def test_a_camera_that_stands_still_is_found_across_calls(baseline):
    still = arguments()["images"][:1]
    calls = [
        {**arguments(1, metadata=[SITES[0]], time_s=60.0 + i), "images": still} for i in range(10)
    ]
    quality = window_of(baseline.ruler, *calls).quality
    assert quality.total("frozen_frame") == 3


@pytest.mark.parametrize("name", ["black_frame", "frozen_frame", "near_duplicate"])
def test_faulty_frames_are_signals_where_a_tap_asks_for_them(name):
    """A baseline that has them learns how many are usual; a rising share has its own bin."""
    measure = Measure(keys=("site",), signals=(name,))
    batch = measure.batch(**arguments())
    assert batch.column(name).sum() == 0.0
    images = np.zeros((40, 24, 24, 3), np.uint8)
    broken = measure.batch(**arguments(images=images, time_s=70.0))
    assert broken.column(name).sum() > 20
    made = fit_baseline(
        model=ModelRef(name="m", version="v1"),
        batches=[(batch, None)],
        keys=(),
        dataset="noise",
        created_at=NOW,
        signals=(name,),
    )
    place = made.ruler.layout.signals.index(name)
    bins = made.ruler.digitise(np.array([[0.0], [1.0]]), [place])
    assert bins[0] != bins[1]
    assert name not in Measure().batch(**arguments()).signal_names


def test_what_a_stranger_says_of_quality_is_refused(baseline):
    images = np.zeros((40, 24, 24, 3), np.uint8)
    window = window_of(baseline.ruler, arguments(images=images))
    header, arrays = wire.unpack(window.to_bytes())
    assert DataFault.BLACK in header["quality"]
    header["quality"] = {"black_frame": {"at": [[77, 1]], "example": ""}}
    with pytest.raises(WireError, match="quality"):
        Window.from_bytes(wire.pack(header, arrays))
