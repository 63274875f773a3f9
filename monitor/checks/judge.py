"""From evidence to verdicts: which streams drifted, and how much. Values in, values out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from detectors.effects import effects, tolerance_of
from detectors.evidence.engine import StepResult
from detectors.frame import Part
from detectors.streams import StreamKey
from monitor.checks.diagnosis import Drift
from monitor.checks.due import end_of
from monitor.checks.means import Means
from monitor.checks.newest import Over, newest_effects
from monitor.checks.recent import KEPT_TICKS, Family
from vigil.catalogue import base_of
from vigil.types import Effect, ModelRef, Outcome, Slice, Verdict

CHANGE = "change"
"""The check whose evidence is that of the change track; labels have checks of their own."""

PROVISIONAL_FACTOR = 2.0
"""Without history of its own a stream pages only where the drift is twice the tolerance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How a model is judged: what its settings say, and how its healthy windows vary.

    ``between``: variance of a stream's healthy scores beyond sampling (``FleetEvidence.between``).
    """

    tolerances: Mapping[str, float]
    objectives: Mapping[str, float]
    threshold: float
    between: Callable[[StreamKey], float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How one stream stands after a tick's bets.

    ``onset_tick``: the start that explains its scores best, between ``onset_first`` and
    ``onset_last`` (95 %). ``effect``: as another track than that of changes (``check``) knows it.
    """

    stream: StreamKey
    z: float
    evidence: float
    onset_tick: int
    onset_first: int
    onset_last: int
    provisional: bool
    exceeded: bool
    check: str = CHANGE
    effect: Effect | None = None


def standings(result: StepResult) -> dict[Family, list[Standing]]:
    """How every stream stands, by model and deployment."""
    columns = (
        result.streams,
        result.z.tolist(),
        result.evidence.tolist(),
        result.onset_tick.tolist(),
        result.onset_first.tolist(),
        result.onset_last.tolist(),
        result.provisional.tolist(),
        result.exceeded.tolist(),
    )
    found: dict[Family, list[Standing]] = {}
    for stream, z, evidence, best, first, last, provisional, exceeded in zip(*columns, strict=True):
        found.setdefault((stream.model, stream.deployment), []).append(
            Standing(
                stream=stream,
                z=z,
                evidence=evidence,
                onset_tick=best,
                onset_first=first,
                onset_last=last,
                provisional=provisional,
                exceeded=exceeded,
            )
        )
    return found


def onset_of(standing: Standing, tick: int) -> int:
    """The start that the stream points to, at most 64 ticks back."""
    return max(standing.onset_tick, tick - KEPT_TICKS + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Onset:
    """When a drift began: the start of its first window, and the earliest and latest moment that
    the evidence allows."""

    at: datetime
    first: datetime
    last: datetime

    @classmethod
    def of(cls, standing: Standing, tick: int, window_s: float) -> Onset:
        """As the stream sees it at a tick. The last window that may be its first counts to its
        end, since it may begin anywhere in it."""
        best = onset_of(standing, tick)
        return cls(
            at=end_of(best - 1, window_s),
            first=end_of(min(standing.onset_first, best) - 1, window_s),
            last=end_of(min(max(standing.onset_last, best), tick), window_s),
        )

    @classmethod
    def at_tick(cls, tick: int, window_s: float) -> Onset:
        """In the window of that tick."""
        start = end_of(tick - 1, window_s)
        return cls(at=start, first=start, last=end_of(tick, window_s))


def is_stale(standing: Standing, verdict: Verdict, tick: int) -> bool:
    """Evidence that leads nowhere: its effect is unknown, or still unsure after 64 ticks."""
    if verdict.outcome is not Outcome.INCONCLUSIVE:
        return False
    return verdict.effect is None or onset_of(standing, tick) <= tick - KEPT_TICKS + 1


def measure(
    parts: Sequence[Part], streams: Sequence[StreamKey], rules: Rules
) -> dict[StreamKey, Effect]:
    return effects(
        parts,
        streams,
        tolerances=rules.tolerances,
        objectives=rules.objectives,
        between=rules.between,
    )


def outcome_of(
    standing: Standing, effect: Effect | None, newest: Effect | None = None
) -> tuple[Outcome, str]:
    """Drifted only where evidence and effect agree, and it still is so; each verdict says why.

    ``newest``: the effect over the newest windows alone, where they are enough to tell.
    """
    if effect is None:
        return Outcome.INCONCLUSIVE, "the evidence passed the threshold, its effect is not known"
    needed = _needed(standing, effect)
    figures = _figures(effect)
    if effect.low > needed:
        if newest is not None and newest.low <= needed:
            why = f"drift {figures} was beyond {needed:.3f}; not surely in the newest windows"
            return Outcome.INCONCLUSIVE, f"{why}: {_figures(newest)}"
        return Outcome.DRIFTED, f"drift {figures} is beyond {needed:.3f}"
    if effect.is_small:
        return Outcome.HEALTHY, f"a change, but {figures} is below the tolerance {needed:.3f}"
    return Outcome.INCONCLUSIVE, f"a change of {figures}; tolerance {needed:.3f}, not yet sure"


def _needed(standing: Standing, effect: Effect) -> float:
    return effect.tolerance * (PROVISIONAL_FACTOR if standing.provisional else 1.0)


def _figures(effect: Effect) -> str:
    return f"{effect.value:.3f} ({effect.low:.3f} to {effect.high:.3f} {effect.unit})"


def newest_of(
    exceeded: Sequence[Standing], found: Mapping[StreamKey, Effect], tick: int, over: Over
) -> dict[StreamKey, Effect]:
    """The effects over the newest windows of those changes that would page.

    ``found`` holds each stream's effect since its own onset; ``over`` measures from a tick on.
    """
    groups: dict[int, list[StreamKey]] = {}
    for standing in exceeded:
        effect = found.get(standing.stream)
        if standing.check == CHANGE and effect and effect.low > _needed(standing, effect):
            groups.setdefault(onset_of(standing, tick), []).append(standing.stream)
    newest: dict[StreamKey, Effect] = {}
    for onset, streams in groups.items():
        newest |= newest_effects(streams, onset=onset, tick=tick, over=over)
    return newest


def verdicts(
    exceeded: Sequence[Standing],
    found: Mapping[StreamKey, Effect],
    *,
    newest: Mapping[StreamKey, Effect] | None = None,
    version: str,
    rules: Rules,
    at: datetime,
    onsets: Mapping[StreamKey, Onset],
) -> list[Verdict]:
    """One verdict for each stream whose evidence passed the threshold.

    ``found`` holds each stream's effect since its own onset, ``newest`` those of ``newest_of``.
    """
    out = []
    for standing in exceeded:
        effect = found.get(standing.stream)
        outcome, reason = outcome_of(standing, effect, (newest or {}).get(standing.stream))
        out.append(
            Verdict(
                check=standing.check,
                model=ModelRef(
                    name=standing.stream.model,
                    version=version,
                    deployment=standing.stream.deployment,
                ),
                signal=standing.stream.signal,
                slice=standing.stream.slice,
                outcome=outcome,
                score=standing.z,
                effect=effect,
                evidence=standing.evidence,
                threshold=rules.threshold,
                onset=onsets[standing.stream].at,
                onset_first=onsets[standing.stream].first,
                onset_last=onsets[standing.stream].last,
                at=at,
                reason=reason,
                provisional=standing.provisional,
            )
        )
    return out


def drifts(
    family: Sequence[Standing],
    found: Mapping[StreamKey, Effect],
    parts: Sequence[Part],
    rules: Rules,
    novel: frozenset[StreamKey],
) -> list[Drift]:
    """Every stream whose effect is surely beyond tolerance, largest first.

    Those whose evidence has not passed yet are named too: they show the cause. Place and spread of
    one scalar share their effect, so one speaks for both: place where its evidence has passed, else
    the one with more.
    """
    means = Means(parts)
    large: dict[tuple[Slice, str], tuple[Standing, Effect]] = {}
    for standing in family:
        effect = found.get(standing.stream)
        if effect is None or not effect.is_large:
            continue
        both = standing.stream.slice, base_of(standing.stream.signal)
        if both not in large or standing.evidence > _passed(large[both][0], rules):
            large[both] = standing, effect
    out = []
    for standing, effect in large.values():
        before, now = means.of(standing.stream)
        out.append(
            Drift(
                stream=standing.stream,
                effect=effect,
                evidence=standing.evidence,
                threshold=rules.threshold,
                novel=standing.stream in novel,
                provisional=standing.provisional,
                before=before,
                now=now,
            )
        )
    return sorted(
        out, key=lambda one: -_size(one.effect, tolerance_of(one.stream.signal, rules.tolerances))
    )


def _passed(standing: Standing, rules: Rules) -> float:
    """Evidence, endless once it has passed."""
    return math.inf if standing.evidence >= rules.threshold else standing.evidence


def _size(effect: Effect | None, tolerance: float) -> float:
    return 0.0 if effect is None else effect.low / max(tolerance, 1e-9)
