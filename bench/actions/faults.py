"""The library: each fault with the cause and the action that are right, known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from bench.actions import lenses, versions
from bench.actions.learned import Learned
from bench.actions.lenses import Lens
from bench.actions.scene import LATENCY_S, Scene
from bench.actions.versions import Release
from monitor.demo.reader import standardised_bottom_up
from monitor.demo.world import Camera, defocus, new_site
from vigil.types import Cause

Change = Callable[[Scene, Learned, int], Scene]
"""The scene that a fault makes of the healthy one, so many windows after its onset."""


class Action(StrEnum):
    """What is done about a fault.

    * rollback: the version before is put back, by the service alone.
    * ask: a rollback is proposed and waits for a person's approval.
    * relabel: images are queued for labelling; no rollback.
    * page: people are told; no rollback.
    * none: nothing happens.
    """

    ROLLBACK = "rollback"
    ASK = "ask"
    RELABEL = "relabel"
    PAGE = "page"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One story.

    * ``cause``: what is right; None where nothing should be said.
    * ``also``: causes that further incidents of the same story may have (pairs).
    * ``released``: the new version, released ``lead`` windows before the onset.
    * ``change``: what becomes of the scene from the onset on.
    * ``about``: one line for the page.
    """

    name: str
    group: str
    about: str
    cause: Cause | None
    action: Action
    also: tuple[Cause, ...] = ()
    released: Callable[[Learned], Release] | None = None
    lead: int = 0
    change: Change | None = None


_MODEL, _SERVICE = Cause.MODEL_REGRESSION, Cause.SERVICE_FAULT
_INPUT, _SHIFT, _NO_DATA = Cause.INPUT_FAULT, Cause.DOMAIN_SHIFT, Cause.NO_DATA


def _rng(learned: Learned, salt: int) -> np.random.Generator:
    return np.random.default_rng([learned.seed, 17, salt])


def _camera(learned: Learned) -> Camera:
    """The camera that the fault strikes: another one for each seed."""
    cameras = learned.stage.cameras
    return cameras[int(_rng(learned, 0).integers(len(cameras)))]


def _through(lens: Lens, *, everywhere: bool = False) -> Change:
    def change(scene: Scene, learned: Learned, since: int) -> Scene:
        struck = scene.cameras if everywhere else (_camera(learned),)
        return replace(scene, lenses={**scene.lenses, **{one.name: lens for one in struck}})

    return change


def _defocused(scene: Scene, learned: Learned, since: int) -> Scene:
    return replace(scene, cameras=tuple(defocus(scene.cameras, _camera(learned).name)))


def _frozen(scene: Scene, learned: Learned, since: int) -> Scene:
    camera, world = _camera(learned), learned.stage.world
    frame = world.render(camera, world.held_out_indices()[:1], _rng(learned, 2))[0]
    return _through(lenses.frozen(frame))(scene, learned, since)


def _another_site(scene: Scene, learned: Learned, since: int) -> Scene:
    return replace(scene, cameras=tuple(new_site(scene.cameras, "harbour", 3, _rng(learned, 1))))


def _other_hands(scene: Scene, learned: Learned, since: int) -> Scene:
    """At one site that was always there other hands write from now on."""
    site = _camera(learned).site
    cameras = [replace(one, unfamiliar=one.site == site) for one in scene.cameras]
    return replace(scene, cameras=tuple(cameras))


def _mixed(scene: Scene, learned: Learned, since: int) -> Scene:
    """At one site the meters stand at 0 and 1 mostly."""
    mix = np.full(10, 0.03)
    mix[:2] = 0.38
    return replace(scene, mix={_camera(learned).site: mix})


def _strange(scene: Scene, learned: Learned, since: int) -> Scene:
    return replace(scene, strange={_camera(learned).site: 0.6})


def _slow(scene: Scene, learned: Learned, since: int) -> Scene:
    return replace(scene, latency_s=LATENCY_S * 8)


def _labels_late(scene: Scene, learned: Learned, since: int) -> Scene:
    return replace(scene, label_delay=25)


def _gap(windows: int) -> Change:
    return lambda scene, learned, since: replace(scene, ships=since >= windows)


def _skewed(seconds: float) -> Change:
    return lambda scene, learned, since: replace(scene, skew_s=seconds)


def _both(*changes: Change) -> Change:
    def change(scene: Scene, learned: Learned, since: int) -> Scene:
        for one in changes:
            scene = one(scene, learned, since)
        return scene

    return change


def _ships(release: Release) -> Callable[[Learned], Release]:
    return lambda learned: release


def _others_weights(learned: Learned) -> Release:
    return versions.weights_of(learned.other)


_BOTTOM_UP = _ships(versions.preprocessed(standardised_bottom_up))
_GOOD = _ships(versions.good)
_BAD: Mapping[str, tuple[str, Callable[[Learned], Release]]] = {
    "rows_bottom_up": ("rows of the image are read bottom-up", _BOTTOM_UP),
    "not_standardised": (
        "the step that standardises is missing",
        _ships(versions.preprocessed(versions.not_standardised)),
    ),
    "inverted": ("dark and light swapped", _ships(versions.preprocessed(versions.inverted))),
    "transposed": ("rows taken for columns", _ships(versions.preprocessed(versions.transposed))),
    "cropped": ("wrong crop before the model", _ships(versions.preprocessed(versions.cropped))),
    "wrong_weights": ("weights of another fleet's model", _others_weights),
    "layer_not_loaded": ("a layer with its initial values", _ships(versions.half_trained)),
    "quantised": ("weights rounded to 3 bits", _ships(versions.quantised(3))),
    "class_swap": ("classes answer for each other", _ships(versions.classes_shifted)),
    "threshold_slip": ("one class called too easily", _ships(versions.threshold_slipped)),
    "temperature_slip": ("softmax four times too soft", _ships(versions.temperature_slipped)),
    "overflow": ("half precision overflows to NaN", _ships(versions.overflowing)),
}
_SPOILT: Mapping[str, tuple[str, Change]] = {
    "defocus": ("a camera loses focus", _defocused),
    "glare": ("sun in a camera's picture", _through(lenses.glare)),
    "sensor_noise": ("a camera's sensor runs hot", _through(lenses.sensor_noise)),
    "night": ("the lamps are out, everywhere", _through(lenses.night, everywhere=True)),
    "occlusion": ("something hangs before a camera", _through(lenses.occlusion)),
    "dirty_lens": ("a greasy film on a lens", _through(lenses.dirt)),
    "colour_cast": ("white balance of a camera is off", _through(lenses.colour_cast)),
    "compression": ("a link keeps only coarse blocks", _through(lenses.blocks)),
    "frozen_frames": ("a camera repeats one frame", _frozen),
    "black_frames": ("a camera delivers black", _through(lenses.black)),
}


def library() -> tuple[Fault, ...]:
    """Every fault, in the order of the page."""
    return (*_releases(), *_cameras(), *_worlds(), *_pipelines(), *_pairs())


def _releases() -> list[Fault]:
    return [
        *(
            Fault(
                name=name,
                group="release",
                about=about,
                cause=_MODEL,
                action=Action.ROLLBACK,
                released=release,
            )
            for name, (about, release) in _BAD.items()
        ),
        Fault(
            name="slow_release",
            group="release",
            about="the release needs eight times as long",
            cause=_SERVICE,
            action=Action.ASK,
            released=_GOOD,
            change=_slow,
        ),
        Fault(
            name="good_release",
            group="release",
            about="a release without a mistake",
            cause=None,
            action=Action.NONE,
            released=_GOOD,
        ),
    ]


def _cameras() -> list[Fault]:
    return [
        Fault(
            name=name,
            group="camera",
            about=about,
            cause=_INPUT,
            action=Action.PAGE,
            change=change,
        )
        for name, (about, change) in _SPOILT.items()
    ]


def _worlds() -> list[Fault]:
    def fault(name: str, about: str, change: Change) -> Fault:
        return Fault(
            name=name,
            group="world",
            about=about,
            cause=_SHIFT,
            action=Action.RELABEL,
            change=change,
        )

    return [
        fault("new_site", "a site where other hands write", _another_site),
        fault("other_hands", "another hand writes at a known site", _other_hands),
        fault("new_class", "signs that are no digits", _strange),
        fault("class_mix", "a site sees 0 and 1 mostly", _mixed),
        fault("camera_turned", "a camera hangs on its side", _through(lenses.turned)),
    ]


def _pipelines() -> list[Fault]:
    def fault(name: str, about: str, cause: Cause | None, action: Action, change: Change) -> Fault:
        return Fault(
            name=name, group="pipeline", about=about, cause=cause, action=action, change=change
        )

    return [
        fault("latency", "the machine is slow", _SERVICE, Action.PAGE, _slow),
        fault("gap", "no windows for half a minute", _NO_DATA, Action.PAGE, _gap(30)),
        fault("short_gap", "no windows for 4 s", None, Action.NONE, _gap(4)),
        fault("label_delay", "labels come 25 s late", None, Action.NONE, _labels_late),
        fault("clock_ahead", "the fleet's clock is 20 s ahead", None, Action.NONE, _skewed(20.0)),
        fault("clock_behind", "the clock is 6 s behind", None, Action.NONE, _skewed(-6.0)),
    ]


def _pairs() -> list[Fault]:
    def pair(
        name: str,
        about: str,
        cause: Cause | None,
        action: Action,
        released: Callable[[Learned], Release] | None,
        change: Change,
        *,
        lead: int = 0,
        also: tuple[Cause, ...] = (),
    ) -> Fault:
        return Fault(
            name=name,
            group="pair",
            about=about,
            cause=cause,
            action=action,
            released=released,
            lead=lead,
            change=change,
            also=also,
        )

    glare, turned = _through(lenses.glare), _through(lenses.turned)
    night = _through(lenses.night, everywhere=True)
    weights = _BAD["wrong_weights"][1]
    page, relabel, rollback = Action.PAGE, Action.RELABEL, Action.ROLLBACK
    return [
        pair("release+defocus", "good release, a camera loses focus", _INPUT, page, _GOOD,
             _defocused),
        pair("release+night", "good release, then the lamps go out", _INPUT, page, _GOOD, night,
             lead=8),
        pair("release+new_site", "good release, a new site", _SHIFT, relabel, _GOOD,
             _another_site),
        pair("release+new_class", "good release, signs that are no digits 8 s later", _SHIFT,
             relabel, _GOOD, _strange, lead=8),
        pair("release+turned", "good release, a camera turned 8 s later", _SHIFT, relabel, _GOOD,
             turned, lead=8),
        pair("release+class_mix", "good release, another mix 8 s later", _SHIFT, relabel, _GOOD,
             _mixed, lead=8),
        pair("bad+defocus", "bad release, and a camera loses focus", _MODEL, rollback, _BOTTOM_UP,
             _defocused, also=(_INPUT,)),
        pair("bad+late_labels", "wrong weights, labels 25 s late", _MODEL, rollback, weights,
             _labels_late),
        pair("bad+slow", "bad release on a slow machine", _MODEL, rollback, _BOTTOM_UP,
             _slow, also=(_SERVICE,)),
        pair("glare+latency", "glare, and the machine is slow", _INPUT, page, None,
             _both(glare, _slow), also=(_SERVICE,)),
        pair("new_site+glare", "a new site, and sun in a known camera", _SHIFT, relabel, None,
             _both(_another_site, glare), also=(_INPUT,)),
    ]  # fmt: skip
