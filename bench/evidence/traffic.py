"""Healthy production traffic: how far each stream's records lie from the baseline, and how many.

The mean of stream i's records in minute t, in standard deviations of one record, is ::

    mu_it = offset_i + season_i(t) + weather_i(t) + ar_i(t) + reboot_i(t)

and its number of *scenes* is Poisson with a daily cycle; a scene is seen in ``frames`` records,
which is what correlated frames amount to (design effect ``frames``). Everything is drawn in blocks
of ticks from a seed and the number of the block, so that a run can stop and go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from detectors.streams import StreamKey
from vigil.types import WHOLE, Slice

Floats = NDArray[np.float64]

DAY = 1440
EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
"""Tick 0 is the first minute of a Monday."""

SIZES = np.unique(np.round(np.concatenate([[0], np.arange(1, 8), 8 * 1.25 ** np.arange(30)])))
SIZES = SIZES[SIZES <= 5300].astype(np.int64)
"""Numbers of scenes that a window can have: steps of a quarter, so that laws can be tabulated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """Settings of the generator; times in ticks of one minute, sizes in sigma of one record.

    Attributes:
        signals: (name, law) pairs; see ``bench.evidence.laws``.
        sites, cameras: slices beside the whole model.
        season: peak of the daily wave; at weekends it has ``weekend`` of its height.
        weather, weather_time: standard deviation and correlation time of an Ornstein-Uhlenbeck
            process, half of its variance common to all slices of a signal.
        wobble, wobble_ar: standard deviation of the variation between windows, and the lag-one
            correlations that streams have in turn; innovations have five degrees of freedom.
        offset: standard deviation of what production differs from the baseline.
        whole, site, camera: records a minute at the day's peak, lowest and highest (log-uniform).
        night: share of the peak's traffic at night.
        frames: records of one scene.
        gap_every, gap_length: a stream's collector is silent (exponential, geometric).
        outage_every, outage_length: the same for the whole fleet.
        reboot_every: a camera reboots: off 2 to 6 windows, then a transient with standard deviation
            ``transient`` that halves every window.
    """

    name: str
    signals: tuple[tuple[str, str], ...] = (
        ("brightness", "normal"),
        ("sharpness", "heavy"),
        ("latency_s", "rank"),
        ("predicted_class", "classes"),
        ("embedding", "embedding"),
    )
    sites: int = 9
    cameras: int = 50
    season: float = 0.5
    weekend: float = 0.6
    weather: float = 0.3
    weather_time: float = 2 * DAY
    wobble: float = 0.1
    wobble_ar: tuple[float, ...] = (0.6,)
    offset: float = 0.1
    whole: tuple[float, float] = (5000.0, 5000.0)
    site: tuple[float, float] = (300.0, 2500.0)
    camera: tuple[float, float] = (20.0, 800.0)
    night: float = 0.2
    frames: int = 4
    gap_every: float = 3 * DAY
    gap_length: float = 20.0
    outage_every: float = 30 * DAY
    outage_length: float = 60.0
    reboot_every: float = 5 * DAY
    transient: float = 0.7

    @property
    def streams(self) -> int:
        return len(self.signals) * (1 + self.sites + self.cameras)


MILD = Traffic(name="mild")
ROUGH = replace(MILD, name="rough", weather=1.0, weather_time=DAY / 2, wobble_ar=(0.9,))
MIXED = replace(MILD, name="mixed", wobble_ar=(0.6, 0.9))
"""Mild weather where every second stream hangs together for long: beyond what is asked."""

EXCHANGEABLE = replace(
    MILD,
    name="exchangeable",
    season=0.0,
    weather=0.0,
    wobble=0.0,
    offset=0.0,
    night=1.0,
    frames=1,
    gap_every=np.inf,
    outage_every=np.inf,
    reboot_every=np.inf,
)


def steady(traffic: Traffic, scores: Mapping[str, str]) -> Traffic:
    """The same traffic, seen through other scores: law to law and score."""
    signals = tuple((name, scores[kind]) for name, kind in traffic.signals)
    return replace(traffic, name=f"{traffic.name}-steady", signals=signals)


def spreads(traffic: Traffic) -> Traffic:
    """The same traffic, watched for the spread of scalars alone."""
    signals = (
        ("brightness_spread", "normal:spread"),
        ("contrast_spread", "normal:spread"),
        ("sharpness_spread", "heavy:spread"),
        ("noise_spread", "heavy:spread"),
        ("latency_s_spread", "rank:spread"),
    )
    return replace(traffic, name=f"{traffic.name}-spread", signals=signals)


KINDS = {one.name: one for one in (MILD, ROUGH, MIXED, EXCHANGEABLE)}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Block:
    """T ticks of n streams: ``mu`` (T, n), ``size`` (T, n) index into SIZES; 0 means absent."""

    first: int
    mu: Floats
    size: NDArray[np.int64]


@dataclass(kw_only=True, slots=True, eq=False)
class _State:
    """What one block hands on to the next."""

    shared: Floats
    own: Floats
    wobble: Floats
    block: int = 0


class World:
    """The traffic of one seed. Streams are ordered by slice, then signal."""

    branch = 0
    """Another number, another future from here on."""

    def __init__(self, traffic: Traffic, seed: int, *, block_ticks: int = DAY) -> None:
        self.traffic, self.seed, self.block_ticks = traffic, seed, block_ticks
        t, rng = traffic, np.random.default_rng([seed, 0])
        slices, signals = 1 + t.sites + t.cameras, len(t.signals)
        n = slices * signals
        level = np.repeat([0, 1, 2], [1, t.sites, t.cameras])
        bounds = np.array([t.whole, t.site, t.camera])[level]
        low, high = np.log(bounds).T
        self.rate = np.exp(rng.uniform(low, high))
        """(slices,) records a minute at the day's peak."""
        self.slice_of = np.repeat(np.arange(slices), signals)
        self.signal_of = np.tile(np.arange(signals), slices)
        self.level_of = level[self.slice_of]
        self.offset = t.offset * rng.standard_normal(n)
        self.phase = (rng.random(signals)[self.signal_of] + 0.05 * rng.standard_normal(n)) % 1.0
        self.phase2 = rng.random(n)
        self.busiest = 0.6 + 0.05 * rng.standard_normal(slices)
        self.ar = np.array(t.wobble_ar)[np.arange(n) % len(t.wobble_ar)]
        self.state = _State(
            shared=t.weather * np.sqrt(0.5) * rng.standard_normal(signals),
            own=t.weather * np.sqrt(0.5) * rng.standard_normal(n),
            wobble=t.wobble * rng.standard_normal(n),
        )

    def streams(self) -> tuple[StreamKey, ...]:
        """The names that the engine knows the streams by."""
        t = self.traffic
        slices = [WHOLE, *(Slice((("site", f"s{i}"),)) for i in range(t.sites))]
        slices += [
            Slice((("camera", f"c{i:02}"), ("site", f"s{i % max(t.sites, 1)}")))
            for i in range(t.cameras)
        ]
        return tuple(
            StreamKey(f"model{self.seed}", "production", piece, name)
            for piece in slices
            for name, _ in t.signals
        )

    def next_block(self) -> Block:
        """The next ``block_ticks`` ticks."""
        t, state, length = self.traffic, self.state, self.block_ticks
        rng = np.random.default_rng([self.seed, 1, state.block, self.branch])
        first = state.block * length
        ticks = np.arange(first, first + length)
        n = len(self.slice_of)
        mu = self.offset + self._season(ticks)
        if t.weather:
            keep = float(np.exp(-1.0 / t.weather_time))
            step = t.weather * np.sqrt(0.5 * (1.0 - keep**2))
            shared = _walk(keep, step * rng.standard_normal((length, len(t.signals))), state.shared)
            own = _walk(keep, step * rng.standard_normal((length, n)), state.own)
            mu += shared[:, self.signal_of] + own
            state.shared, state.own = shared[-1], own[-1]
        if t.wobble:
            shock = rng.standard_t(5, (length, n)) / np.sqrt(5.0 / 3.0)
            wobble = _walk(self.ar, t.wobble * np.sqrt(1.0 - self.ar**2) * shock, state.wobble)
            mu += wobble
            state.wobble = wobble[-1]
        mean = self._rate(ticks) / t.frames
        scenes = rng.poisson(mean)
        size = np.searchsorted(0.5 * (SIZES[1:] + SIZES[:-1]), scenes, side="right")
        self._interrupt(rng, mu, size)
        state.block += 1
        return Block(first=first, mu=mu, size=np.ascontiguousarray(size[:, self.slice_of]))

    def _season(self, ticks: NDArray[np.int64]) -> Floats:
        if not self.traffic.season:
            return np.zeros((len(ticks), len(self.slice_of)))
        turn = 2.0 * np.pi * (ticks[:, None] / DAY)
        wave = 0.8 * np.cos(turn - 2 * np.pi * self.phase)
        wave += 0.2 * np.cos(2 * turn - 2 * np.pi * self.phase2)
        return self.traffic.season * wave * self._week(ticks, self.traffic.weekend)[:, None]

    def _rate(self, ticks: NDArray[np.int64]) -> Floats:
        """(T, slices) records a minute."""
        night = self.traffic.night
        turn = 2.0 * np.pi * (ticks[:, None] / DAY - self.busiest)
        wave = night + (1.0 - night) * (0.5 + 0.5 * np.cos(turn))
        calm = self._week(ticks, 0.7 if night < 1.0 else 1.0)
        return np.asarray(self.rate * wave * calm[:, None])

    @staticmethod
    def _week(ticks: NDArray[np.int64], weekend: float) -> Floats:
        """1 on workdays, ``weekend`` on Saturday and Sunday, four hours from one to the other."""
        day = (ticks / DAY) % 7.0
        inside = np.clip(np.minimum(day - 5.0, 7.0 - day) * 6.0 + 0.5, 0.0, 1.0)
        return np.asarray(1.0 - (1.0 - weekend) * inside)

    def _interrupt(self, rng: np.random.Generator, mu: Floats, size: NDArray[np.int64]) -> None:
        """Gaps, outages and reboots, in place; ``size`` is (T, slices). They end with the block."""
        t, length = self.traffic, len(mu)
        if np.isfinite(t.outage_every):
            for start in np.flatnonzero(rng.random(length) < 1.0 / t.outage_every):
                size[start : start + rng.geometric(1.0 / t.outage_length)] = 0
        if np.isfinite(t.gap_every):
            for start, i in np.argwhere(rng.random(size.shape) < 1.0 / t.gap_every):
                size[start : start + rng.geometric(1.0 / t.gap_length), i] = 0
        if np.isfinite(t.reboot_every):
            self._reboot(rng, mu, size)

    def _reboot(self, rng: np.random.Generator, mu: Floats, size: NDArray[np.int64]) -> None:
        t, length = self.traffic, len(mu)
        cameras = size.shape[1] - t.cameras
        fire = rng.random((length, t.cameras)) < 1.0 / t.reboot_every
        for start, camera in np.argwhere(fire):
            i = cameras + int(camera)
            back = int(start) + int(rng.integers(2, 7))
            size[start:back, i] = 0
            mine = np.flatnonzero(self.slice_of == i)
            jump = t.transient * rng.standard_normal(len(mine))
            decay = 0.5 ** np.arange(6)
            end = min(back + 6, length)
            if back < end:
                mu[back:end, mine] += decay[: end - back, None] * jump

    def rates_now(self) -> Floats:
        """(slices,) records a minute that are expected at the start of the next block."""
        now = np.array([self.state.block * self.block_ticks])
        return np.asarray(self._rate(now)[0])

    def saved(self) -> dict[str, Any]:
        """What ``restore`` takes."""
        return {name: getattr(self.state, name) for name in _State.__slots__}

    def restore(self, saved: dict[str, Any]) -> None:
        self.state = _State(**saved)


def at(tick: int) -> datetime:
    """The time at which a tick's window ends."""
    return EPOCH + timedelta(minutes=tick + 1)


def _walk(keep: float | Floats, shocks: Floats, start: Floats) -> Floats:
    """``x_t = keep x_{t-1} + shock_t`` down the columns."""
    if np.ndim(keep) == 0:
        k = float(keep)
        out, _ = lfilter([1.0], [1.0, -k], shocks, axis=0, zi=(k * start)[None, :])
        return np.asarray(out)
    out = np.empty_like(shocks)
    for value in np.unique(keep):
        mine = np.asarray(keep) == value
        out[:, mine] = _walk(float(value), shocks[:, mine], start[mine])
    return out
