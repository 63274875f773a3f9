"""Plain rules without statistics: silence, broken values. They page at once, off the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from detectors.frame import Part
from detectors.hard_faults import HardFault, value_faults
from detectors.streams import StreamKey
from monitor.checks.diagnosis import Diagnosis, Drift
from monitor.checks.gather import Gathered
from monitor.checks.recent import Seen
from monitor.checks.silence import Silence, silences
from monitor.settings.schema import Settings
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
) -> Iterator[Diagnosis]:
    """What the rules say of this tick.

    Args:
        watch_silence: whether the service has been up long enough to miss anyone.
    """
    for model in models:
        faults = value_faults(
            to_parts(model.on_time),
            missing_share=settings.checks.missing_share,
            min_records=settings.checks.min_records,
        )
        if faults:
            yield _broken(model, faults, at=at, end=end)
    if watch_silence:
        for silence in silences(session, settings, end=end):
            yield _silent(silence, at)


def _broken(model: Gathered, faults: list[HardFault], *, at: datetime, end: datetime) -> Diagnosis:
    name, deployment = model.family
    slices = {fault.slice for fault in faults}
    return Diagnosis(
        model=ModelRef(name=name, version=model.main_version, deployment=deployment),
        slice=slices.pop() if len(slices) == 1 else WHOLE,
        cause=Cause.INPUT_FAULT,
        reasons=tuple(dict.fromkeys(fault.reason for fault in faults)),
        drifts=tuple(
            _by_rule(name, deployment, fault.slice, fault.signal, fault.reason) for fault in faults
        ),
        onset=end,
        at=at,
        hard=True,
    )


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
