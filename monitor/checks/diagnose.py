"""After the alarm: which slice, since when, under which release, and so: why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from detectors.attribution import name_by_size
from detectors.cause import CauseFacts, DriftFact, ReleaseFact, classify
from detectors.direction import changes
from detectors.frame import Part
from detectors.streams import StreamKey
from monitor.checks.diagnosis import Diagnosis, Drift
from monitor.checks.judge import Onset, Rules, measure
from monitor.checks.means import Means
from monitor.checks.recent import Family, RecentTicks
from monitor.checks.terrain import Terrain
from monitor.store.tables import IncidentRow, ReleaseRow
from vigil.catalogue import CATALOGUE, base_of, signal_of
from vigil.types import Cause, Effect, ModelRef, SignalForm, SignalKind, Slice

HEALTHY_TICKS = 10
"""How far before the onset the previous version is looked at."""

AROUND = 6
"""So many drifts of other slices are shown beside those of the named one."""

FEWEST_RECORDS = 15

_LEADS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What a diagnosis is made from: one model since the onset of its drift.

    ``alarming``: the streams that passed evidence and tolerance. ``drifts``: all that are beyond
    tolerance, largest first. ``to_parts`` gives the parts of other spans.
    """

    family: Family
    version: str
    alarming: Sequence[StreamKey]
    drifts: Sequence[Drift]
    parts: Sequence[Part]
    rules: Rules
    recent: RecentTicks
    onset_tick: int
    onset: Onset
    at: datetime
    window_s: float
    to_parts: Callable[[int, int, str | None], Sequence[Part]]


def diagnose(session: Session, scene: Scene) -> Diagnosis:
    """Name the slice and the cause of what drifts."""
    named = named_slice(scene)
    release = latest_release(session, scene.family, scene.at)
    named_drifts, around = _on_slice(scene, named)
    counted = dict.fromkeys(n for part in scene.parts for n in part.summary.layout.signals)
    images = [n for n in counted if (s := signal_of(n)) and s.kind is SignalKind.IMAGE]
    streams = [_stream(scene.family, named, name) for name in images]
    effects = measure(scene.parts, streams, scene.rules)
    moved = changes(scene.parts, [*streams, *(drift.stream for drift in named_drifts)])
    facts = CauseFacts(
        findings=tuple(_fact(drift, moved) for drift in named_drifts),
        slice=named,
        image_effects={stream.signal: effect for stream, effect in effects.items()},
        image_changes={s.signal: moved[s] for s in streams if s in moved},
        onset=scene.onset.at,
        window_s=scene.window_s,
        release=release,
        previous_healthy=_previous_healthy(scene, named, release, named_drifts),
        standing=_standing_fault(session, scene, named),
    )
    decision = classify(facts)
    return Diagnosis(
        model=ModelRef(name=scene.family[0], version=scene.version, deployment=scene.family[1]),
        slice=named,
        cause=decision.cause,
        reasons=decision.reasons,
        drifts=(*named_drifts, *around[:AROUND]),
        onset=scene.onset.at,
        onset_first=scene.onset.first,
        onset_last=scene.onset.last,
        at=scene.at,
        previous_version=release.previous if release else None,
        release_started_at=release.started_at if release else None,
        began_with_release=facts.began_with_release,
        terrain=Terrain.of(scene.parts),
    )


def latest_release(session: Session, family: Family, at: datetime) -> ReleaseFact | None:
    """The release that serves now."""
    row = session.scalar(
        select(ReleaseRow)
        .where(
            ReleaseRow.model == family[0],
            ReleaseRow.deployment == family[1],
            ReleaseRow.started_at <= at,
        )
        .order_by(ReleaseRow.started_at.desc(), ReleaseRow.id.desc())
        .limit(1)
    )
    if row is None:
        return None
    return ReleaseFact(version=row.version, previous=row.previous, started_at=row.started_at)


def _standing_fault(session: Session, scene: Scene, named: Slice) -> tuple[Cause, str] | None:
    """The cause of an open incident by a plain rule that fired within the last windows, on a slice
    that covers the named one."""
    since = scene.at - timedelta(seconds=HEALTHY_TICKS * scene.window_s)
    rows = session.scalars(
        select(IncidentRow)
        .where(
            IncidentRow.model == scene.family[0],
            IncidentRow.deployment == scene.family[1],
            IncidentRow.kind == "hard_fault",
            IncidentRow.state != "resolved",
            IncidentRow.last_firing_at >= since,
        )
        .order_by(IncidentRow.id)
    ).all()
    for row in rows:
        if set(Slice.parse(row.slice).pairs) <= set(named.pairs) and row.reasons:
            return Cause(row.cause), str(row.reasons[0])
    return None


def named_slice(scene: Scene) -> Slice:
    """The slice that covers the leaf cells which drift in the strongest signals.

    Where the cells that do not drift have too few records, or labels, to tell, they are no
    evidence of health: a drift seen where labels came first is not confined to there.
    """
    keys = scene.parts[0].summary.layout.keys if scene.parts else ()
    weights: dict[tuple[str, ...], float] = {}
    for part in scene.parts:
        for cell, count in zip(part.summary.cells, part.summary.records, strict=True):
            weights[cell] = weights.get(cell, 0.0) + float(count)
    weights = {cell: weight for cell, weight in weights.items() if weight > 0}
    if not keys or not weights:
        return Slice()
    signals = _leading_signals(scene)
    streams = {
        StreamKey(*scene.family, Slice(tuple(zip(keys, cell, strict=True))), signal): cell
        for cell in weights
        for signal in signals
    }
    found = measure(scene.parts, list(streams), scene.rules)
    size = dict.fromkeys(weights, 0.0)
    seen = dict.fromkeys(weights, 0)
    moved = {stream.signal for stream, effect in found.items() if _likely(effect)}
    for stream, effect in found.items():
        cell = streams[stream]
        if _likely(effect):
            size[cell] = max(size[cell], effect.value / max(effect.tolerance, 1e-9))
        if stream.signal in moved:
            seen[cell] = max(seen[cell], effect.records)
    still = [cell for cell in weights if not size[cell]]
    if sum(seen[cell] for cell in still) < FEWEST_RECORDS:
        size = {cell: one for cell, one in size.items() if one}
    return name_by_size(size, weights, keys)


def _likely(effect: Effect) -> bool:
    """More probably beyond tolerance than not: leaf cells hold few records."""
    return effect.value > effect.tolerance and effect.low > 0


def _leading_signals(scene: Scene) -> list[str]:
    """The signals of the alarming streams, those with the largest effect first."""
    order = {drift.stream: rank for rank, drift in enumerate(scene.drifts)}
    ranked = sorted(scene.alarming, key=lambda stream: order.get(stream, len(order)))
    names = list(dict.fromkeys(base_of(stream.signal) for stream in ranked))
    measurable = [
        name
        for name in names
        if name not in CATALOGUE or CATALOGUE[name].form is not SignalForm.OUTCOME
    ]
    return (measurable or names)[:_LEADS]


def _on_slice(scene: Scene, named: Slice) -> tuple[list[Drift], list[Drift]]:
    """The drifts of the named slice, and those around it; where nothing is beyond tolerance on the
    named slice, those around it speak for it."""
    inside = [drift for drift in scene.drifts if drift.stream.slice == named]
    around = [drift for drift in scene.drifts if drift.stream.slice != named]
    inside = inside or _measured_on(scene, named)
    return (inside, around) if inside else (around, [])


def _measured_on(scene: Scene, named: Slice) -> list[Drift]:
    """The drift of a slice without streams of its own, e.g. two fields where cells have three.

    Its effects are measured on the slice; the evidence is that of the strongest stream of the same
    signal, since no bets were made on the slice itself, and so is the variation between windows.
    """
    strongest: dict[str, Drift] = {}
    for drift in scene.drifts:
        best = strongest.setdefault(base_of(drift.stream.signal), drift)
        if drift.evidence > best.evidence:
            strongest[base_of(drift.stream.signal)] = drift
    speaks = {drift.stream.signal: drift for drift in strongest.values()}
    streams = [_stream(scene.family, named, signal) for signal in speaks]
    means = Means(scene.parts)
    known = scene.rules.between
    like = {base: drift.stream.slice for base, drift in strongest.items()}
    rules = replace(
        scene.rules,
        between=known and (lambda one: known(replace(one, slice=like.get(one.signal, one.slice)))),
    )
    found = []
    for stream, effect in measure(scene.parts, streams, rules).items():
        if effect.is_large:
            before, now = means.of(stream)
            drift = speaks[stream.signal]
            found.append(replace(drift, stream=stream, effect=effect, before=before, now=now))
    return sorted(found, key=lambda one: -_surely(one.effect))


def _surely(effect: Effect | None) -> float:
    return effect.low / max(effect.tolerance, 1e-9) if effect else 0.0


def _fact(drift: Drift, moved: Mapping[StreamKey, float]) -> DriftFact:
    signal = signal_of(drift.stream.signal)
    return DriftFact(
        signal=drift.stream.signal,
        kind=signal.kind if signal else SignalKind.SERVICE,
        slice=drift.stream.slice,
        effect=drift.effect,
        novel=drift.novel,
        change=moved.get(drift.stream),
    )


def _previous_healthy(
    scene: Scene, named: Slice, release: ReleaseFact | None, drifts: Sequence[Drift]
) -> bool | None:
    """Whether the version before was within tolerance on the same slice and signals, while the
    fault lasts (a rollout) or just before it began; None where it was not seen.

    Where only what labels tell has drifted, few labels must not pass for health: the version before
    must have been surely better than this one.
    """
    if release is None or release.previous is None:
        return None
    signals = list(dict.fromkeys(base_of(drift.stream.signal) for drift in drifts))[:6]
    measurable = [
        name
        for name in signals
        if name not in CATALOGUE or CATALOGUE[name].form is not SignalForm.OUTCOME
    ]
    streams = [_stream(scene.family, named, name) for name in measurable or signals]
    first, last = scene.onset_tick, scene.onset_tick - 1
    spans = [(first, 2**62), (last - HEALTHY_TICKS, last), (0, last)]
    for start, end in spans:
        parts = scene.to_parts(start, end, release.previous)
        if not parts or sum(part.summary.total_records for part in parts) < FEWEST_RECORDS:
            continue
        found = measure(parts, streams, scene.rules)
        if any(effect.is_large for effect in found.values()):
            return False
        if found and (measurable or _surely_better(found, drifts, named)):
            return True
    return None


def _surely_better(
    before: Mapping[StreamKey, Effect], drifts: Sequence[Drift], named: Slice
) -> bool:
    """Whether one effect lies below that of the drift on the named slice, intervals apart."""
    now = {one.stream: one.effect for one in drifts if one.stream.slice == named and one.effect}
    return any(
        stream in before and before[stream].high < effect.low for stream, effect in now.items()
    )


def _stream(family: Family, piece: Slice, signal: str) -> StreamKey:
    return StreamKey(family[0], family[1], piece, signal)
