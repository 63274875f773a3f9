"""The drift track: once an hour, is traffic still near the training baseline?

Evidence comes from ``detectors.evidence.band`` with its own budget, as many tickets as the pages'
budget allows pages; to page, a guardrail needs ``1 / GUARDRAIL_SHARE`` times the evidence, which
keeps its pages within their share of the pages' budget. A ticket needs the evidence and an effect
over ``checks.drift_over_s`` whose lower bound exceeds the tolerance. Its state is one row, written
in the tick's transaction; between its steps nothing is kept but the ring of recent ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy.orm import Session

from detectors.effects import tolerance_of
from detectors.evidence.band import BandEvidence, BandResult
from detectors.evidence.band_frame import band_batch, join_batches
from detectors.streams import StreamKey
from monitor.checks.apart import Apart
from monitor.checks.gather import parts_of
from monitor.checks.recent import KEPT_TICKS, Family, RecentTicks
from monitor.checks.references import References
from monitor.settings.schema import GUARDRAIL_SHARE, Settings
from vigil.types import Effect, Slice

BLOCKS = 6
"""A step's windows are summed to so many blocks; how they differ tells the design effect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cadence:
    """``every``: ticks between steps; ``over``: steps that an effect is judged over."""

    every: int
    over: int
    threshold: float

    @classmethod
    def of(cls, settings: Settings) -> Cadence:
        window_s, checks = settings.service.window_s, settings.checks
        every = max(1, round(checks.drift_every_s / window_s))
        over = max(1, round(checks.drift_over_s / (every * window_s)))
        threshold = settings.budget.threshold_ticks(every * window_s)
        return cls(every=every, over=over, threshold=max(threshold, 2.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Crossing:
    """One stream outside its band. ``threshold``: what its evidence reached; ``margin``: that of
    the guardrail that it crossed, or None."""

    stream: StreamKey
    evidence: float
    threshold: float
    effect: Effect
    margin: float | None

    @property
    def sure(self) -> bool:
        return self.effect.is_large


class Guardrails:
    """The guardrails of all models, by stream."""

    def __init__(self, settings: Settings) -> None:
        self._margins = {
            StreamKey(
                model.name, model.deployment, Slice.parse(rail.slice), rail.signal
            ): rail.margin
            for model in settings.models
            for rail in model.guardrails
        }

    def margin(self, stream: StreamKey) -> float | None:
        return self._margins.get(stream)


def step_of(
    session: Session,
    references: References,
    recent: RecentTicks,
    track: BandEvidence,
    families: Collection[Family],
    apart: Apart,
    *,
    tick: int,
    ticks: int,
    tolerance: Callable[[StreamKey], float],
) -> BandResult | None:
    """One step of all models on the last ``ticks`` ticks, 64 at most."""
    length = min(ticks, KEPT_TICKS)
    first = tick - length + 1
    edges = [first + length * block // BLOCKS for block in range(BLOCKS + 1)]
    batches = []
    for family in sorted(families):
        with apart.reading(family):
            blocks = [
                parts_of(session, references, recent.between(family, start, stop - 1).values())
                for start, stop in pairwise(edges)
                if stop > start
            ]
            batch = band_batch(blocks, *family, tolerance)
            if batch is not None:
                batches.append(batch)
    joined = join_batches(batches)
    return None if joined is None else track.step(joined, step=tick)


def crossings(
    track: BandEvidence,
    result: BandResult,
    guardrails: Guardrails,
    tolerance: Callable[[StreamKey], float],
) -> dict[Family, list[Crossing]]:
    """The streams whose evidence passed the threshold, by model, largest effect first.

    Those that were not yet seen for as long as an effect is judged over are left out, unless a
    guardrail holds there.
    """
    found: dict[Family, list[Crossing]] = {}
    streams = [one for one, loud in zip(result.streams, result.exceeded, strict=True) if loud]
    effects = track.recent(streams, [tolerance(one) for one in streams])
    evidence = dict(zip(result.streams, result.evidence.tolist(), strict=True))
    for stream, effect in zip(streams, effects, strict=True):
        margin = guardrails.margin(stream)
        if margin is None and track.reach(stream) < 1.0:
            continue
        needed = track.threshold / (1.0 if margin is None else GUARDRAIL_SHARE)
        if evidence[stream] < needed:
            continue
        crossing = Crossing(
            stream=stream,
            evidence=evidence[stream],
            threshold=needed,
            effect=effect,
            margin=margin,
        )
        found.setdefault((stream.model, stream.deployment), []).append(crossing)
    for each in found.values():
        each.sort(key=lambda one: -one.effect.low / max(one.effect.tolerance, 1e-9))
    return found


def tolerances(settings: Settings, guardrails: Guardrails) -> Callable[[StreamKey], float]:
    """What each stream may move: its guardrail's margin, the model's tolerance, the catalogue's."""
    stated: Mapping[Family, Mapping[str, float]] = {
        (model.name, model.deployment): model.tolerance for model in settings.models
    }

    def of(stream: StreamKey) -> float:
        margin = guardrails.margin(stream)
        if margin is not None:
            return margin
        return tolerance_of(stream.signal, stated.get((stream.model, stream.deployment)))

    return of


def common_slice(slices: Sequence[Slice]) -> Slice:
    """The smallest slice of the given that holds them all by name; all traffic where none does."""
    for candidate in sorted(set(slices), key=lambda one: len(one.pairs)):
        if all(set(candidate.pairs) <= set(one.pairs) for one in slices):
            return candidate
    return Slice()
