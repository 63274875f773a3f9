"""From evidence to verdicts: which streams drifted, and how much. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from detectors.effects import effects, tolerance_of
from detectors.evidence.engine import StepResult
from detectors.frame import Part
from detectors.streams import StreamKey
from monitor.checks.diagnosis import Drift
from monitor.checks.recent import KEPT_TICKS
from vigil.catalogue import CATALOGUE, SCALAR_NAMES
from vigil.summary import MOMENT_UNIT
from vigil.types import Effect, ModelRef, Outcome, Slice, Verdict

PROVISIONAL_FACTOR = 2.0
"""Without history of its own a stream pages only where the drift is twice the tolerance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What a model's settings say about judging."""

    tolerances: Mapping[str, float]
    objectives: Mapping[str, float]
    threshold: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How one stream stands after a tick's bets."""

    stream: StreamKey
    z: float
    evidence: float
    onset_tick: int
    provisional: bool
    exceeded: bool


def standings(result: StepResult, model: str, deployment: str) -> list[Standing]:
    """The streams of one model among those of the fleet."""
    return [
        Standing(
            stream=stream,
            z=float(result.z[i]),
            evidence=float(result.evidence[i]),
            onset_tick=int(result.onset_tick[i]),
            provisional=bool(result.provisional[i]),
            exceeded=bool(result.exceeded[i]),
        )
        for i, stream in enumerate(result.streams)
        if (stream.model, stream.deployment) == (model, deployment)
    ]


def onset_of(exceeded: Sequence[Standing], tick: int) -> int:
    """The start that the strongest stream points to, at most 64 ticks back."""
    lead = max(exceeded, key=lambda one: one.evidence)
    return max(lead.onset_tick, tick - KEPT_TICKS + 1)


def measure(
    parts: Sequence[Part], streams: Sequence[StreamKey], rules: Rules
) -> dict[StreamKey, Effect]:
    return effects(parts, streams, tolerances=rules.tolerances, objectives=rules.objectives)


def outcome_of(standing: Standing, effect: Effect | None) -> tuple[Outcome, str]:
    """Drifted only where evidence and effect agree; each verdict says why."""
    if effect is None:
        return Outcome.INCONCLUSIVE, "the evidence passed the threshold, its effect is not known"
    needed = effect.tolerance * (PROVISIONAL_FACTOR if standing.provisional else 1.0)
    figures = f"{effect.value:.3f} ({effect.low:.3f} to {effect.high:.3f} {effect.unit})"
    if effect.low > needed:
        return Outcome.DRIFTED, f"drift {figures} is beyond {needed:.3f}"
    if effect.is_small:
        return Outcome.HEALTHY, f"a change, but {figures} is below the tolerance {needed:.3f}"
    return Outcome.INCONCLUSIVE, f"a change of {figures}; tolerance {needed:.3f}, not yet sure"


def verdicts(
    exceeded: Sequence[Standing],
    found: Mapping[StreamKey, Effect],
    *,
    version: str,
    rules: Rules,
    at: datetime,
    onset: datetime,
) -> list[Verdict]:
    """One verdict for each stream whose evidence passed the threshold."""
    out = []
    for standing in exceeded:
        effect = found.get(standing.stream)
        outcome, reason = outcome_of(standing, effect)
        out.append(
            Verdict(
                check="change",
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
                onset=onset,
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

    Those whose evidence has not passed yet are named too: they show the cause.
    """
    means = Means(parts)
    out = []
    for standing in family:
        effect = found.get(standing.stream)
        if effect is None or not effect.is_large:
            continue
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
    scale = {name: tolerance_of(name, rules.tolerances) for name in CATALOGUE}
    return sorted(out, key=lambda one: -_size(one.effect, scale[one.stream.signal]))


def _size(effect: Effect | None, tolerance: float) -> float:
    return 0.0 if effect is None else effect.low / max(tolerance, 1e-9)


class Means:
    """Means of scalar signals in their own unit: at the baseline, on the same cells, and now."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    def of(self, stream: StreamKey) -> tuple[float | None, float | None]:
        if stream.signal not in SCALAR_NAMES:
            return None, None
        before = now = weight = 0.0
        seen = 0.0
        for part in self._parts:
            ruler, summary = part.baseline.ruler, part.summary
            if stream.signal not in ruler.layout.signals:
                continue
            s = ruler.layout.signals.index(stream.signal)
            rows = _rows(summary.layout.keys, summary.cells, stream.slice)
            n = float(summary.counts[rows, s, :-1].sum())
            if n == 0:
                continue
            total = summary.moments[rows, s, 0].sum() / MOMENT_UNIT
            now += n * ruler.center[s] + ruler.scale[s] * total
            seen += n
            reference = part.baseline.reference
            own = [
                (cell, float(count))
                for cell, count in zip(
                    [summary.cells[i] for i in rows],
                    summary.counts[rows, s, :-1].sum(axis=1),
                    strict=True,
                )
            ]
            where = {cell: i for i, cell in enumerate(reference.cells)}
            for cell, count in own:
                i = where.get(cell)
                if i is None or not count:
                    continue
                known = max(float(reference.counts[i, s, :-1].sum()), 1.0)
                mean = reference.moments[i, s, 0] / MOMENT_UNIT / known
                before += count * (ruler.center[s] + ruler.scale[s] * mean)
                weight += count
        return (before / weight if weight else None), (now / seen if seen else None)


def _rows(
    keys: tuple[str, ...], cells: tuple[tuple[str, ...], ...], piece: Slice
) -> np.typing.NDArray[np.int64]:
    wanted = [(keys.index(key), value) for key, value in piece.pairs if key in keys]
    if len(wanted) < len(piece.pairs):
        return np.zeros(0, np.int64)
    return np.array(
        [i for i, cell in enumerate(cells) if all(cell[p] == v for p, v in wanted)], np.int64
    )
