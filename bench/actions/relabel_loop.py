"""The labelling loop: does a model get better where the world changed, and by how much for how
many labels?

A site appears where other hands write. Of what the model saw there, N pictures are labelled: those
that the service picks (``alerts.actions.relabel.pick``, on the samples that the tap ships), or N
at random. The model is trained on with each set, and both are asked the digits of that site that
nobody labelled. Everything else is the same for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.actions.relabel import drawable, pick
from bench.actions.baselines import baseline_of
from bench.actions.inference import BOOT, EACH, SOURCE, infer
from bench.actions.scene import Scene
from monitor.demo.configuration import DEPLOYMENT, KEYS, MODEL, WINDOW_S
from monitor.demo.reader import DigitReader, ReaderVersion, train
from monitor.demo.stage import CAMERAS_PER_SITE, SITES, TRAINING_LOOKS
from monitor.demo.world import Camera, Images, World, make_cameras, new_site
from vigil.pipeline.recorder import Recorder
from vigil.types import utc
from vigil.windows.baseline import Baseline
from vigil.windows.sample import Sample

BUDGET = 40
WINDOWS = 30
"""So many windows of the new site are seen before images are picked."""

BASELINE_WINDOWS = 20
DRIFTED = ("embedding_distance", "confidence", "entropy", "margin")
REPEATS = 12
KEPT_SHARE = 0.25
"""The labelled pictures come so often in an epoch, beside this share of the first training set."""

EPOCHS = 4
ASKED = 1500


@dataclass(frozen=True, kw_only=True)
class Gain:
    """One seed: accuracy on the new site before, and after training on N labels; and on the old
    sites, where nothing should be lost."""

    seed: int
    before: float
    picked: float
    random: float
    old_before: float
    old_picked: float
    old_random: float


def measure(seed: int, *, budget: int = BUDGET) -> Gain:
    """One seed of the loop."""
    world = World(seed)
    rng = np.random.default_rng([seed, 29])
    old = make_cameras(SITES, CAMERAS_PER_SITE, rng)
    new = new_site(old, "harbour", CAMERAS_PER_SITE, rng)[len(old) :]
    indices = [rng.choice(world.training_indices(), TRAINING_LOOKS) for _ in old]
    known = world.render_many(old, indices, rng), world.labels[np.concatenate(indices)]
    first = train(*known, epochs=6, seed=seed)
    model = ReaderVersion("v1", first)
    baseline = baseline_of(world, model, old, windows=BASELINE_WINDOWS, seed=seed, at=utc(0.0))
    uniform, sample, truth = _seen(world, model, new, baseline, rng)
    picks = pick(
        sample,
        baseline.sample,
        budget=budget,
        rng=np.random.default_rng([seed, 31]),
        drifted=DRIFTED,
        may_draw=drawable(uniform),
    )
    chosen = [one.row for one in picks]
    where = {record: row for row, record in enumerate(sample.ids)}
    drawn = rng.choice([where[record] for record in uniform.ids], len(chosen), replace=False)

    def after(rows: Sequence[int] | NDArray[np.int64]) -> ReaderVersion:
        labels = np.array([truth[sample.ids[row]] for row in rows])
        return _trained_on(first, known, (sample.thumbnails[rows], labels), seed)

    with_picked, with_random = after(chosen), after(drawn)
    versions = (model, with_picked, with_random)
    here = _accuracy(versions, world, new, np.random.default_rng([seed, 37]), _asked(world))
    there = _accuracy(versions, world, old, np.random.default_rng([seed, 41]), _asked(world))
    return Gain(
        seed=seed,
        before=here[0],
        picked=here[1],
        random=here[2],
        old_before=there[0],
        old_picked=there[1],
        old_random=there[2],
    )


def _shown(world: World) -> NDArray[np.int64]:
    """The digits that the site shows while images are picked."""
    return world.held_out_indices()[::2]


def _asked(world: World) -> NDArray[np.int64]:
    """Digits that no picture which was labelled shows."""
    return world.held_out_indices()[1::2]


def _seen(
    world: World,
    model: ReaderVersion,
    cameras: Sequence[Camera],
    baseline: Baseline,
    rng: np.random.Generator,
) -> tuple[Sample, Sample, dict[str, int]]:
    """The uniform sample, all samples, and the truth by id: what the tap ships of the site."""
    recorder = Recorder(
        model=MODEL,
        deployment=DEPLOYMENT,
        source=SOURCE,
        boot=BOOT,
        keys=KEYS,
        window_s=WINDOW_S,
        rulers=lambda version: baseline.ruler,
        keep_thumbnails=True,
    )
    scene, truth = Scene(cameras=tuple(cameras), digits=_shown(world)), dict[str, int]()
    windows = []
    for tick in range(1000, 1000 + WINDOWS):
        batch, shown = infer(world, model, scene, tick, rng)
        truth.update(zip(batch.ids, shown.tolist(), strict=True))
        windows += [*recorder.add(batch), *recorder.seal(tick * WINDOW_S)]
    most = WINDOWS * EACH * len(cameras)
    uniform = Sample.merge([window.sample for window in windows], most)
    informative = Sample.merge([window.informative for window in windows], most)
    return uniform, Sample.merge([informative, uniform], most), truth


def _trained_on(
    first: DigitReader,
    known: tuple[Images, NDArray[np.int64]],
    labelled: tuple[Images, NDArray[np.int64]],
    seed: int,
) -> ReaderVersion:
    rng = np.random.default_rng([seed, 43])
    kept = rng.choice(len(known[1]), round(KEPT_SHARE * len(known[1])), replace=False)
    images = np.concatenate([known[0][kept], np.repeat(labelled[0], REPEATS, axis=0)])
    labels = np.concatenate([known[1][kept], np.repeat(labelled[1], REPEATS)])
    return ReaderVersion("v2", train(images, labels, epochs=EPOCHS, seed=seed, start=first))


def _accuracy(
    versions: Sequence[ReaderVersion],
    world: World,
    cameras: Sequence[Camera],
    rng: np.random.Generator,
    digits: NDArray[np.int64],
) -> list[float]:
    """Share right of the same pictures, for each version."""
    picked = [rng.choice(digits, ASKED // len(cameras)) for _ in cameras]
    images, truth = world.render_many(cameras, picked, rng), world.labels[np.concatenate(picked)]
    return [
        round(float((one.infer(images)[0].argmax(axis=1) == truth).mean()), 4) for one in versions
    ]


def summary(gains: Sequence[Gain], budget: int) -> dict[str, Any]:
    """Mean gains, and by how much picking beats chance: with its 95 % interval over the seeds."""
    picked = np.array([one.picked - one.before for one in gains])
    random = np.array([one.random - one.before for one in gains])
    ahead = picked - random
    half = 1.96 * float(ahead.std(ddof=1)) / np.sqrt(len(ahead)) if len(ahead) > 1 else 0.0
    return {
        "seeds": len(gains),
        "labels": budget,
        "accuracy_before": round(float(np.mean([one.before for one in gains])), 4),
        "relabel_gain_picked": round(float(picked.mean()), 4),
        "relabel_gain_random": round(float(random.mean()), 4),
        "picked_ahead_by": round(float(ahead.mean()), 4),
        "picked_ahead_interval": [
            round(float(ahead.mean() - half), 4),
            round(float(ahead.mean() + half), 4),
        ],
        "old_sites_lose_picked": round(
            float(np.mean([one.old_before - one.old_picked for one in gains])), 4
        ),
        "old_sites_lose_random": round(
            float(np.mean([one.old_before - one.old_random for one in gains])), 4
        ),
    }
