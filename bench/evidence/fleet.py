"""The product's engine under simulated traffic, and what the product does after a crossing.

A *crossing* is evidence that reaches the threshold; crossings while the stream's episode is open
count once. The guarantee ``E[crossings in T ticks] <= T / A`` speaks of them. A *page* is a
crossing whose effect's lower bound since the onset exceeds the tolerance. As ``monitor`` does:

* effect surely below tolerance: evidence starts anew (``reset``);
* not sure: wait, at most 64 ticks since the onset, then ``reset``;
* beyond, and the newest windows by themselves too (``monitor.checks.newest``): page, ``reset`` and
  ``hold``; ``release`` when the effect over the last 10 windows is surely below the tolerance, or
  after six hours, when whoever was called has closed it.

Simulated effects: the KS distance since the onset as 0.71 of the mean rank, weighted by records;
half the root of chi-square for classes; root MMD; their intervals are as wide as the usual
variation between windows makes them (``detectors.design_effect``). Latency pages beyond its
objective, here twice the usual 99th percentile (its daily peak is 1.4 times the mean); without an
objective, as by default, it would never page. Steadier scores (``laws.STEADY``) count as beyond.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import detectors.evidence
from bench.evidence.laws import CLASSES, Bank
from bench.evidence.traffic import Block, World, at
from detectors.design_effect import quadratic_design
from detectors.evidence.engine import FleetEvidence, StepResult
from detectors.scores import ScoreBatch
from detectors.streams import StreamKey
from monitor.checks.newest import newest_effects
from monitor.settings.schema import Settings
from vigil.types import Effect

Floats = NDArray[np.float64]
Touch = Callable[[Block, Floats, np.random.Generator], None]

PER_FALSE_PAGE = 43_200.0
"""Ticks for which one false page is allowed: 30 days."""
A = Settings().threshold_ticks
"""Evidence at which a change pages, as the settings have it by default."""
TOLERANCE = 0.15
KS_OF_RANK = 0.71
"""KS distance over mean rank, for a small shift of a normal law."""
Z, LOG = 1.96, float(np.log(40.0))
OBJECTIVE = 0.4815
"""Mean rank of twice the usual latency; of a gamma law of shape 2 it is 2 (3 x^2 - 2 x^3) - 1 with
x = 2 / 3."""
WAIT, CLOSED_AFTER, LOOK_BACK = 64, 360, 10


OTHER_TRACKS = ("arms", "band", "calibration", "canary", "guardrail", "item", "labels", "risk")


def fingerprint() -> str:
    """Changes when the code of the engine, the traffic or the laws does."""
    here = Path(__file__).parent
    files = [here / f"{name}.py" for name in ("fleet", "laws", "traffic")]
    for path in sorted(Path(detectors.evidence.__file__).parent.glob("*.py")):
        if not path.stem.startswith(OTHER_TRACKS):
            files.append(path)
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def batch(
    streams: tuple[StreamKey, ...], score: Floats, noise: Floats, records: NDArray[np.int64]
) -> ScoreBatch:
    """The scores of one tick; NaN where a stream is absent."""
    return ScoreBatch(
        streams=streams,
        score=score,
        noise=noise,
        records=records,
        novel=np.zeros(len(streams), bool),
        open_score=score,
        open_noise=noise,
        healthy={},
    )


def step(
    engine: FleetEvidence, scores: ScoreBatch, tick: int, rng: np.random.Generator
) -> StepResult:
    """One tick, with its time."""
    return engine.step(scores, tick=tick, rng=rng, at=at(tick - 1))


class Fleet:
    """Worlds, scores and one engine, tick by tick; can be saved between blocks.

    Several worlds (fleets of equal layout) may share an engine, to save time: k fleets at threshold
    A / k are judged as k engines at threshold A would, since each has 1 / k of the shares. What
    they do share is the engine's memory of what follows extremes (one pool a level of slices).
    """

    def __init__(
        self,
        worlds: Sequence[World],
        bank: Bank,
        *,
        threshold: float = A,
        engine: FleetEvidence | None = None,
    ) -> None:
        self.worlds, self.bank = tuple(worlds), bank
        self.world = self.worlds[0]
        self.streams = tuple(stream for world in self.worlds for stream in world.streams())
        self.engine = engine or FleetEvidence(threshold / len(self.worlds))
        self.kinds = [kind for _, kind in self.world.traffic.signals]
        kinds = [self.kinds[i] for world in self.worlds for i in world.signal_of]
        self.response = Response(self.engine, self.streams, kinds)

    def learn(self, blocks: int) -> None:
        """Take the next blocks as healthy history, as ``vigil backfill`` does."""
        for world in self.worlds:
            streams = world.streams()
            lessons: list[ScoreBatch] = []
            ticks: list[int] = []
            for _ in range(blocks):
                rng = np.random.default_rng([world.seed, 2, world.state.block, world.branch])
                block = world.next_block()
                columns = self.bank.scores(block, world.signal_of, rng)
                lessons += [batch(streams, *one) for one in zip(*columns, strict=True)]
                ticks += range(block.first + 1, block.first + 1 + len(block.mu))
            self.engine.learn(lessons, at=[at(tick - 1) for tick in ticks], ticks=ticks)

    def block(
        self,
        *,
        counted: bool,
        touch: Touch | None = None,
        until: frozenset[int] = frozenset(),
        since: int = 0,
        last: int | None = None,
    ) -> None:
        """Play one block.

        Args:
            counted: whether crossings and pages count, or the fleet is still burning in.
            touch: may change the scores of the first world before.
            until: stop early when one of these streams has paged, or crossed half an hour ago,
                from tick ``since`` on.
            last: stop after this tick.
        """
        response = self.response
        drawn = []
        for world in self.worlds:
            rng = np.random.default_rng([world.seed, 2, world.state.block, world.branch])
            block = world.next_block()
            columns = self.bank.scores(block, world.signal_of, rng)
            if touch is not None and world is self.world:
                touch(block, columns[0], rng)
            drawn.append(columns)
        score = np.concatenate([one[0] for one in drawn], axis=1)
        noise = np.concatenate([one[1] for one in drawn], axis=1)
        records = np.concatenate([one[2] for one in drawn], axis=1)
        response.remember(score, records, block.first)
        for t in range(len(score)):
            tick = block.first + t + 1
            scores = batch(self.streams, score[t], noise[t], records[t])
            result = step(self.engine, scores, tick, rng)
            response.after(result, tick, counted=counted)
            if tick == last or (until and _over(response, until, since, tick)):
                return

    def saved(self) -> dict[str, Any]:
        return {
            "engine": self.engine.to_bytes(),
            "worlds": [world.saved() for world in self.worlds],
            "response": self.response.saved(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.engine = FleetEvidence.from_bytes(saved["engine"])
        for world, state in zip(self.worlds, saved["worlds"], strict=True):
            world.restore(state)
        self.response.engine = self.engine
        self.response.restore(copy.deepcopy(saved["response"]))


def _over(response: Response, until: frozenset[int], since: int, tick: int) -> bool:
    paged = any(i in until and when >= since for when, i in response.pages)
    return paged or any(i in until and since <= when <= tick - 30 for when, i in response.crossings)


def _quadratic(between: float, noise: float, windows: int) -> float:
    return float(quadratic_design(np.array(between), np.array(noise), windows))


class Response:
    """What follows a crossing, and the count of crossings and pages."""

    def __init__(
        self, engine: FleetEvidence, streams: tuple[StreamKey, ...], kinds: Sequence[str]
    ) -> None:
        self.engine, self.streams, self.kinds = engine, streams, list(kinds)
        n = len(streams)
        self.unsure = np.zeros(n, bool)
        self.held_since = np.full(n, -1)
        self.crossings: list[tuple[int, int]] = []
        self.pages: list[tuple[int, int]] = []
        self._score = np.zeros((0, n))
        self._records = np.zeros((0, n), np.int64)
        self._first = 0

    def remember(self, score: Floats, records: NDArray[np.int64], first: int) -> None:
        """The scores of a block, of which tick ``first + 1`` is row 0; and the last before it."""
        kept = self._score[-WAIT:]
        self._score = np.concatenate([kept, score])
        self._records = np.concatenate([self._records[-WAIT:], records])
        self._first = first + 1 - len(kept)

    def after(self, result: StepResult, tick: int, *, counted: bool) -> None:
        """Follow up one tick."""
        if self.unsure.any():
            self.unsure &= result.exceeded
        for i in np.flatnonzero(result.exceeded).tolist():
            held = self.held_since[i] >= 0
            if not held and not self.unsure[i] and counted:
                self.crossings.append((tick, i))
            onset = max(int(result.onset_tick[i]), tick - WAIT + 1)
            low, high = self.effect(i, onset, tick)
            if held or high < TOLERANCE:
                self.engine.reset([self.streams[i]])
                self.unsure[i] = False
            elif low > TOLERANCE and self._still(i, onset, tick):
                if counted:
                    self.pages.append((tick, i))
                self.engine.reset([self.streams[i]])
                self.engine.hold([self.streams[i]], since_tick=onset)
                self.held_since[i] = tick
                self.unsure[i] = False
            elif onset <= tick - WAIT + 1:
                self.engine.reset([self.streams[i]])
                self.unsure[i] = False
            else:
                self.unsure[i] = True
        if tick % LOOK_BACK == 0:
            self._release(tick)

    def _release(self, tick: int) -> None:
        over = []
        for i in np.flatnonzero(self.held_since >= 0).tolist():
            since = tick - int(self.held_since[i])
            _, high = self.effect(i, tick - LOOK_BACK + 1, tick)
            if since >= CLOSED_AFTER or (since > LOOK_BACK and high < TOLERANCE):
                over.append(self.streams[i])
                self.held_since[i] = -1
        if over:
            self.engine.release(over, fresh_start=True)

    def _still(self, i: int, onset: int, tick: int) -> bool:
        """Whether the newest windows are beyond tolerance too, where they are enough to tell."""
        stream = self.streams[i]

        def over(first: int, streams: Sequence[StreamKey]) -> dict[StreamKey, Effect]:
            low, high = self.effect(i, first, tick)
            n = int(self._records[self._rows(first, tick), i].sum())
            found = Effect(
                value=low, low=low, high=high, tolerance=TOLERANCE, unit="simulated", records=n
            )
            return {stream: found}

        newest = newest_effects([stream], onset=onset, tick=tick, over=over)
        return stream not in newest or newest[stream].low > TOLERANCE

    def _rows(self, first: int, tick: int) -> slice:
        return slice(max(first - self._first, 0), tick - self._first + 1)

    def effect(self, i: int, first: int, tick: int) -> tuple[float, float]:
        """Bounds of the effect of a stream over the windows ``first`` to ``tick``."""
        kind, rows = self.kinds[i], self._rows(first, tick)
        if ":" in kind:
            return np.inf, np.inf
        score, n = self._score[rows, i], self._records[rows, i]
        present = np.isfinite(score)
        total, windows = float(n[present].sum()), int(present.sum())
        if total == 0:
            return 0.0, np.inf
        mean = float(np.nansum(score * n) / total)
        between = self.engine.between(self.streams[i])
        if kind == "embedding":
            deff = _quadratic(between, np.sqrt(2.0) / total, windows)
            spread = 2.0 * (deff / total) ** 2 + 4.0 * max(mean, 0.0) * 0.3 * deff / total
            margin = Z * np.sqrt(spread)
            low, high = np.sqrt(np.clip([mean - margin, mean + margin], 0.0, None))
            return float(low), float(high)
        if kind == "classes":
            deff = _quadratic(between, np.sqrt(2.0 * (len(CLASSES) - 1)) / total, windows)
            value, margin = 0.5 * np.sqrt(max(mean, 0.0)), np.sqrt(LOG / 2.0 * deff / total)
            return value - margin, value + margin
        common = Z**2 * between / windows
        if kind == "rank":
            margin = np.sqrt(Z**2 / 3.0 / total + common)
            low, high = (TOLERANCE / OBJECTIVE * (mean + side * margin) for side in (-1.0, 1.0))
            return low, high
        margin = np.sqrt(LOG / 2.0 / total + KS_OF_RANK**2 * common)
        return KS_OF_RANK * abs(mean) - margin, KS_OF_RANK * abs(mean) + margin

    def saved(self) -> dict[str, Any]:
        names = ("unsure", "held_since", "crossings", "pages", "_score", "_records", "_first")
        out = {name: getattr(self, name) for name in names}
        return (
            out
            | {"_score": self._score[-WAIT:], "_records": self._records[-WAIT:]}
            | {"_first": self._first + len(self._score) - len(self._score[-WAIT:])}
        )

    def restore(self, saved: dict[str, Any]) -> None:
        for name, value in saved.items():
            setattr(self, name, value)
