"""Plain rules without statistics: silence, broken values. They page at once, off the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from detectors.cause import CauseFacts, ReleaseFact, classify_broken
from detectors.data_faults import damaged_faults, data_faults
from detectors.frame import Part
from detectors.hard_faults import HardFault, value_faults
from detectors.streams import StreamKey
from monitor.checks.diagnose import HEALTHY_TICKS, latest_release
from monitor.checks.diagnosis import Diagnosis, Drift
from monitor.checks.gather import Gathered
from monitor.checks.quiet import QuietSlice, quiet_slices
from monitor.checks.recent import RecentTicks, Seen
from monitor.checks.silence import Silence, silences
from monitor.settings.schema import Settings
from monitor.store.tables import IncidentRow, WindowRow
from vigil.types import WHOLE, Cause, ModelRef, Slice


def hard_diagnoses(
    session: Session,
    models: Iterable[Gathered],
    settings: Settings,
    *,
    to_parts: Callable[[Iterable[Seen]], list[Part]],
    end: datetime,
    at: datetime,
    watch_silence: bool,
    recent: RecentTicks,
    tick: int,
) -> Iterator[Diagnosis]:
    """What the rules say of this tick.

    Args:
        watch_silence: whether the service has been up long enough to miss anyone.
        recent: what the last ticks saw, this one included, whose number is ``tick``.
    """
    for model in models:
        parts, allowed = to_parts(model.on_time), settings.checks.missing_share
        least = settings.checks.min_records
        faults = [
            *value_faults(parts, missing_share=allowed, min_records=least),
            *data_faults(parts, allowed_share=allowed, min_records=least),
            *damaged_faults(model.dropped, sum(model.records.values()), allowed_share=allowed),
        ]
        if faults:
            yield _broken(session, model, faults, settings.service.window_s, at=at, end=end)
    if watch_silence:
        for silence in silences(session, settings, end=end):
            yield _silent(silence, at)
        for quiet in quiet_slices(session, settings, recent, tick=tick, end=end):
            yield _quiet(quiet, at)


def _broken(
    session: Session,
    model: Gathered,
    faults: list[HardFault],
    window_s: float,
    *,
    at: datetime,
    end: datetime,
) -> Diagnosis:
    name, deployment = model.family
    slices = {fault.slice for fault in faults}
    release = latest_release(session, model.family, end)
    facts = CauseFacts(findings=(), onset=end, window_s=window_s, release=release)
    decision = classify_broken(
        faults, facts, previous_kept=_kept_the_rules(session, model, release, window_s)
    )
    blamed = decision.cause is Cause.MODEL_REGRESSION
    return Diagnosis(
        model=ModelRef(name=name, version=model.main_version, deployment=deployment),
        slice=slices.pop() if len(slices) == 1 else WHOLE,
        cause=decision.cause,
        reasons=decision.reasons,
        drifts=tuple(
            _by_rule(name, deployment, fault.slice, fault.signal, fault.reason) for fault in faults
        ),
        onset=end,
        at=at,
        hard=True,
        previous_version=release.previous if blamed and release else None,
        release_started_at=release.started_at if blamed and release else None,
        began_with_release=blamed,
    )


def _kept_the_rules(
    session: Session, model: Gathered, release: ReleaseFact | None, window_s: float
) -> bool:
    """Whether the version before the release served just before it, and no plain rule fired."""
    if release is None or release.previous is None:
        return False
    since = release.started_at - timedelta(seconds=HEALTHY_TICKS * window_s)
    name, deployment = model.family
    served = session.scalar(
        select(WindowRow.id)
        .where(
            WindowRow.model == name,
            WindowRow.deployment == deployment,
            WindowRow.version == release.previous,
            WindowRow.records > 0,
            WindowRow.end_at > since,
            WindowRow.end_at <= release.started_at,
        )
        .limit(1)
    )
    broke = session.scalar(
        select(IncidentRow.id)
        .where(
            IncidentRow.model == name,
            IncidentRow.deployment == deployment,
            IncidentRow.kind == "hard_fault",
            IncidentRow.detected_at <= release.started_at,
            IncidentRow.last_firing_at > since,
        )
        .limit(1)
    )
    return served is not None and broke is None


def _silent(silence: Silence, at: datetime) -> Diagnosis:
    name, deployment = silence.family
    slice = WHOLE if silence.source is None else Slice((("source", silence.source),))
    return Diagnosis(
        model=ModelRef(name=name, version=silence.version, deployment=deployment),
        slice=slice,
        cause=Cause.NO_DATA,
        reasons=(silence.reason,),
        drifts=(_by_rule(name, deployment, slice, "windows", silence.reason),),
        onset=silence.since,
        at=at,
        hard=True,
    )


def _quiet(quiet: QuietSlice, at: datetime) -> Diagnosis:
    name, deployment = quiet.family
    return Diagnosis(
        model=ModelRef(name=name, version=quiet.version, deployment=deployment),
        slice=quiet.slice,
        cause=Cause.NO_DATA,
        reasons=(quiet.reason,),
        drifts=(_by_rule(name, deployment, quiet.slice, "windows", quiet.reason),),
        onset=quiet.since,
        at=at,
        hard=True,
    )


def _by_rule(model: str, deployment: str, slice: Slice, signal: str, reason: str) -> Drift:
    return Drift(
        stream=StreamKey(model, deployment, slice, signal),
        effect=None,
        evidence=0.0,
        threshold=0.0,
        novel=False,
        provisional=False,
        reason=reason,
    )
