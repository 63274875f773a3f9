"""The whitened distance of a window's embeddings, beside MMD."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.effects import effects
from detectors.frame import Part, frame_of
from detectors.reference import reference_of
from detectors.scores import score
from detectors.statistics.whitened import whitened_statistics
from detectors.streams import StreamKey
from vigil.catalogue import CATALOGUE
from vigil.measuring.batch import make_batch
from vigil.measuring.summarise import summarise
from vigil.types import WHOLE, SignalForm, Slice


def _clusters(rng, n, centres, spread):
    return centres[rng.integers(0, len(centres), n)] + rng.normal(size=(n, len(spread))) * spread


@pytest.fixture(scope="module")
def structured():
    """A baseline of ten clusters whose variance lies in few directions, and windows of it."""
    from datetime import UTC, datetime

    from detectors.fit import fit_baseline
    from vigil.types import ModelRef

    rng = np.random.default_rng(0)
    spread = np.arange(1, 33) ** -0.7
    centres = rng.normal(size=(10, 32)) * spread

    def batch(n, change=lambda rows: rows):
        rows = change(_clusters(rng, n, centres, spread))
        return make_batch(
            ids=[str(rng.integers(2**60)) for _ in range(n)],
            counter=np.arange(n, dtype=np.uint64),
            custom_ids=False,
            time_s=0.0,
            version="v1",
            embeddings=rows.astype(np.float32),
            metadata=[{}] * n,
        )

    baseline = fit_baseline(
        model=ModelRef(name="m", version="v1"),
        batches=((batch(2000), None) for _ in range(5)),
        keys=(),
        dataset="synthetic",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        seed=0,
    )

    def window(n=200, change=lambda rows: rows):
        return Part(baseline=baseline, summary=summarise(batch(n, change), baseline.ruler)[0])

    return window


def _z(batch, signal):
    at = [stream.signal for stream in batch.streams].index(signal)
    return batch.score[at] / batch.noise[at]


def test_without_drift_the_score_is_standard(fleet, baseline):
    """Mean 0 and deviation 1, on the whole, on sites and on single cameras with their own look."""
    slices = (WHOLE, Slice((("site", "s0"),)), Slice((("site", "s0"), ("camera", "c01"))))
    z = []
    for _ in range(200):
        found = whitened_statistics(frame_of([fleet.part(baseline, 40)], slices), whole=False)
        z.append(found.score / found.noise)
    assert np.abs(np.mean(z, axis=0)).max() < 0.45
    np.testing.assert_allclose(np.std(z, axis=0), 1.0, atol=0.35)


def test_another_mix_of_cells_is_no_drift_against_their_own_but_is_against_the_whole(
    fleet, baseline
):
    """Stratified, as MMD is."""
    few = fleet.summary(baseline, 150, cameras=fleet.cameras[:2])
    frame = frame_of([Part(baseline=baseline, summary=few)], (WHOLE,))
    own, whole = (whitened_statistics(frame, whole=w) for w in (False, True))
    assert abs(own.score[0]) < 4 * own.noise[0]
    assert whole.score[0] > 6 * whole.noise[0]


def test_a_small_shift_off_the_main_axes_is_seen_sooner_than_by_mmd(structured):
    """Averaged over 20 windows of 200 records; along the first axis it is the other way round."""

    def mean_z(axis, size):
        def change(rows):
            return rows + np.eye(32)[axis] * size

        found = [score([structured(change=change)], "m", "p") for _ in range(20)]
        return tuple(
            np.mean([_z(b, s) for b in found]) for s in ("embedding_whitened", "embedding")
        )

    whitened, mmd = mean_z(axis=8, size=0.25)
    assert whitened > mmd + 3.0
    whitened, mmd = mean_z(axis=0, size=0.5)
    assert mmd > whitened


def test_a_new_cluster_is_seen_sooner_than_by_mmd(structured):
    """Five records in a hundred."""
    far = np.random.default_rng(1).normal(size=32) * 0.5

    def change(rows):
        rows = rows.copy()
        rows[: len(rows) // 20] = far
        return rows

    found = [score([structured(400, change)], "m", "p") for _ in range(20)]
    assert np.mean([_z(b, "embedding_whitened") for b in found]) > 1.3 * np.mean(
        [_z(b, "embedding") for b in found]
    )


def test_its_effect_is_that_of_the_embedding(structured):
    """The distance says that, MMD says how much."""
    part = structured(500, lambda rows: rows + 0.4)
    mine, plain = (StreamKey("m", "p", WHOLE, s) for s in ("embedding_whitened", "embedding"))
    both = effects([part], [mine, plain])
    assert both[mine] == both[plain]
    assert effects([part], [mine])[mine] == both[plain]
    assert both[mine].unit == "root MMD"
    assert CATALOGUE["embedding_whitened"].form is SignalForm.VECTOR


def test_a_baseline_that_keeps_no_records_has_no_such_stream(structured):
    """Nothing can be whitened; MMD needs no covariance."""
    from dataclasses import replace

    part = structured(100)
    kept = part.baseline.sample
    bare = replace(part.baseline, sample=kept.take(range(100)), sha256="")
    signals = {s.signal for s in score([replace(part, baseline=bare)], "m", "p").streams}
    assert "embedding" in signals
    assert "embedding_whitened" not in signals
    assert reference_of(bare).feature_whitening is None
