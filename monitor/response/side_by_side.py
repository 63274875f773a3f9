"""The counterfactual without a replay: the target version beside the current one, on live traffic.

A canary's control, replicas that were not rolled out yet, or a shadow that gets the same images:
where the target still runs, its windows tell what a rollback would bring. Only windows of time and
leaf cells that both versions saw are compared, each version against its own baseline, so that
neither the hour nor the camera makes the difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from alerts.actions.interlock import Interlock, InterlockOutcome, judge
from alerts.actions.plan import RollbackPlan
from alerts.types import Incident
from detectors.effects import effects
from detectors.frame import Part
from detectors.streams import StreamKey
from monitor.checks.due import number_containing
from monitor.checks.recent import KEPT_TICKS
from monitor.checks.references import References
from monitor.response.counterfactual import COMPARED
from monitor.services import Services
from monitor.settings.schema import WatchedModel
from monitor.store import windows
from monitor.store.tables import ActionRow
from monitor.store.windows import StoredWindow
from vigil.catalogue import base_of
from vigil.errors import RulerMismatchError
from vigil.types import Effect, Slice
from vigil.windows.baseline import Baseline
from vigil.windows.summary import Summary

LEAST_TICKS = 5
"""Fewer windows of time side by side are no comparison."""

_ByTick = Mapping[int, Summary]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pair:
    """What both versions did in the same windows of time and cells."""

    current: Part
    target: Part
    ticks: int
    records: int


class SideBySide:
    """Looks for the target version beside the current one."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._references = References()

    def of(self, row: ActionRow, incident: Incident) -> Interlock:
        """The interlock of a rollback, by what runs now."""
        if not row.plan:
            return judge(None, None, why_unavailable="there is no version to compare with")
        plan = RollbackPlan.from_json(row.plan)
        found: list[Interlock] = []
        with self._services.sessions() as session:
            for deployment in (plan.deployment, *shadows_of(plan.deployment)):
                one = self._beside(session, plan, incident, deployment)
                if one is not None and one.outcome is not InterlockOutcome.UNAVAILABLE:
                    return one
                found += [one] if one is not None else []
        why = f"neither a part of the traffic nor a shadow still runs {plan.to_version}"
        return found[0] if found else judge(None, None, why_unavailable=why)

    def _beside(
        self, session: Session, plan: RollbackPlan, incident: Incident, deployment: str
    ) -> Interlock | None:
        """None where the target does not run there."""
        baselines = [
            self._references.of_version(session, plan.model, version)
            for version in (plan.from_version, plan.to_version)
        ]
        current, target = baselines
        if current is None or target is None:
            return None
        there = self._seen(session, incident, deployment, target)
        if not there:
            return None
        here = self._seen(session, incident, plan.deployment, current)
        where = "a shadow" if deployment != plan.deployment else "a part of the traffic"
        pair = _pair(current, here, target, there)
        if pair is None or pair.ticks < LEAST_TICKS:
            ticks = pair.ticks if pair else 0
            why = (
                f"{where} still runs {plan.to_version}, but on {ticks} windows of time and cells "
                f"in common, {LEAST_TICKS} are needed"
            )
            return judge(None, None, why_unavailable=why)
        watched = self._services.settings.model(plan.model, plan.deployment)
        return _judged(pair, plan, incident, watched, where)

    def _seen(
        self, session: Session, incident: Incident, deployment: str, baseline: Baseline
    ) -> _ByTick:
        """What a version did since the onset, by window of time."""
        window_s = self._services.settings.service.window_s
        now = self._services.clock.now()
        onset = incident.onset_at or incident.detected_at
        since = max(onset, now - timedelta(seconds=KEPT_TICKS * window_s))
        version, model = baseline.model.version, baseline.model.name
        stored = windows.between(
            session, model, deployment, since, now, version=version, origin="live", unreadable=[]
        )
        return _by_tick(stored, baseline, window_s)


def shadows_of(deployment: str) -> tuple[str, ...]:
    """The deployments that are read as shadows of one."""
    return ("shadow", f"{deployment}-shadow")


def either(replayed: Interlock, beside: Interlock) -> Interlock:
    """What a replay could not tell, live traffic may; where neither can, both say why."""
    if beside.outcome is not InterlockOutcome.UNAVAILABLE:
        return beside
    why = beside.text.removeprefix("no counterfactual: ")
    return Interlock(outcome=replayed.outcome, text=f"{replayed.text}; {why}")


def _by_tick(stored: Iterable[StoredWindow], baseline: Baseline, window_s: float) -> _ByTick:
    found: dict[int, list[Summary]] = defaultdict(list)
    for window in stored:
        if window.records and window.ruler == baseline.ruler.id:
            found[number_containing(window.end, window_s)].append(window.summary)
    return {tick: Summary.total(each) for tick, each in found.items()}


def _pair(current: Baseline, here: _ByTick, target: Baseline, there: _ByTick) -> _Pair | None:
    ours, theirs = [], []
    for tick in sorted(here.keys() & there.keys()):
        one, other = here[tick], there[tick]
        if one.layout.keys != other.layout.keys:
            return None
        common = set(_filled(one)) & set(_filled(other))
        if common:
            ours.append(one.where([cell in common for cell in one.cells]))
            theirs.append(other.where([cell in common for cell in other.cells]))
    if not ours:
        return None
    parts = [
        Part(baseline=baseline, summary=Summary.total(each), windows=len(each))
        for baseline, each in ((current, ours), (target, theirs))
    ]
    return _Pair(
        current=parts[0],
        target=parts[1],
        ticks=len(ours),
        records=parts[1].summary.total_records,
    )


def _filled(summary: Summary) -> list[tuple[str, ...]]:
    return [cell for cell, count in zip(summary.cells, summary.records, strict=True) if count]


def _judged(
    pair: _Pair,
    plan: RollbackPlan,
    incident: Incident,
    watched: WatchedModel | None,
    where: str,
) -> Interlock:
    names = {"current_name": plan.from_version, "target_name": plan.to_version}
    streams = _streams(plan, incident)
    try:
        then = _effects(pair.current, streams, watched)
        now = _effects(pair.target, streams, watched)
    except RulerMismatchError as error:
        return judge(None, None, why_unavailable=str(error), **names)
    both = [stream for stream in then if stream in now]
    if not both:
        why = f"{where} still runs {plan.to_version}, but no signal that drifted is seen there"
        return judge(None, None, why_unavailable=why, **names)
    ranked = sorted(both, key=lambda stream: -then[stream].low / max(then[stream].tolerance, 1e-9))
    on = f"the same {pair.ticks} windows of {where} ({pair.records} records)"
    found = [
        judge(then[stream], now[stream], on=on, **names)
        for stream in ranked
        if stream == ranked[0] or then[stream].is_large
    ]
    told = [one for one in found if one.outcome is not InterlockOutcome.UNAVAILABLE]
    return (told or found)[0]


def _streams(plan: RollbackPlan, incident: Incident) -> list[StreamKey]:
    """What drifted, on the slices where it did; what a replay compares where nothing is known."""
    named: list[tuple[Slice, str]] = [
        (finding.slice, base_of(finding.signal))
        for finding in incident.findings
        if finding.effect is not None
    ]
    named = named or [(incident.slice, signal) for signal in COMPARED]
    return [
        StreamKey(plan.model, plan.deployment, slice, signal)
        for slice, signal in dict.fromkeys(named)
    ]


def _effects(
    part: Part, streams: list[StreamKey], watched: WatchedModel | None
) -> dict[StreamKey, Effect]:
    return effects(
        [part],
        streams,
        tolerances=watched.tolerance if watched else {},
        objectives={"latency_s": watched.latency_objective_s} if watched else {},
    )
