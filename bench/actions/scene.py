"""What is out there in one window, and how it reaches the model and the monitor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.actions.lenses import Lens
from monitor.demo.world import Camera, Images, World

LATENCY_S = 0.15


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One window.

    * ``lenses``: what happens to the pictures of a camera, by its name.
    * ``digits``: the digits that are seen; all held-out ones where None.
    * ``mix``: how often each digit is seen at a site, (10,); even where a site is not named.
    * ``strange``: the share of pictures at a site that show no digit at all.
    * ``latency_s``: of an inference, on average.
    * ``ships``: the fleet sends its windows. ``skew_s``: its clock is ahead by so much.
    * ``label_delay``: so many windows pass before a label comes.
    """

    cameras: tuple[Camera, ...]
    lenses: Mapping[str, Lens] = field(default_factory=dict)
    digits: NDArray[np.int64] | None = None
    mix: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    strange: Mapping[str, float] = field(default_factory=dict)
    latency_s: float = LATENCY_S
    ships: bool = True
    skew_s: float = 0.0
    label_delay: int = 2


def look(
    world: World, scene: Scene, each: int, rng: np.random.Generator
) -> tuple[Images, NDArray[np.int64]]:
    """What all cameras deliver, ``each`` pictures a camera, and what they show: the digit, or -1
    where it is none."""
    digits = world.held_out_indices() if scene.digits is None else scene.digits
    picked = [_pick(world, digits, scene, camera, each, rng) for camera in scene.cameras]
    images = world.render_many(scene.cameras, picked, rng)
    truth = world.labels[np.concatenate(picked)].copy()
    for position, camera in enumerate(scene.cameras):
        rows = np.arange(position * each, (position + 1) * each)
        strange = rows[rng.random(each) < scene.strange.get(camera.site, 0.0)]
        if len(strange):
            images[strange] = chimeras(world, camera, len(strange), rng)
            truth[strange] = -1
        lens = scene.lenses.get(camera.name)
        if lens is not None:
            images[rows] = lens(images[rows], rng)
    return images, truth


def chimeras(world: World, camera: Camera, n: int, rng: np.random.Generator) -> Images:
    """Signs that are no digits, in the same hand and light: the upper half of one digit over the
    mirrored lower half of another."""
    digits = world.held_out_indices()
    upper = world.render(camera, rng.choice(digits, n), rng)
    lower = world.render(camera, rng.choice(digits, n), rng)[:, :, ::-1]
    middle = upper.shape[1] // 2
    upper[:, middle:] = lower[:, middle:]
    return upper


def _pick(
    world: World,
    digits: NDArray[np.int64],
    scene: Scene,
    camera: Camera,
    each: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    mix = scene.mix.get(camera.site)
    if mix is None:
        return rng.choice(digits, each)
    weights = mix[world.labels[digits]]
    return rng.choice(digits, each, p=weights / weights.sum())
