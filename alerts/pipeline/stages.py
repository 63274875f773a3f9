"""The pipeline, as one list."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from alerts.pipeline.case import Case
from alerts.pipeline.correlate import Correlate
from alerts.pipeline.decision import Outcome
from alerts.pipeline.deduplicate import Deduplicate
from alerts.pipeline.deliver import Deliver
from alerts.pipeline.escalate import Escalate
from alerts.pipeline.inhibit import Inhibit, Rule
from alerts.pipeline.maintenance import Maintenance
from alerts.pipeline.record import Record
from alerts.pipeline.route import Routed
from alerts.pipeline.silence import Silenced
from alerts.pipeline.stage import Stage
from alerts.routing.escalation import Policy
from alerts.routing.tree import Route

MUTES = ("inhibit", "silence", "maintenance")
"""Stages that hold news back; when they no longer do, it is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the settings say of who is told. ``pagers``: receivers that wake people."""

    routes: Sequence[Route] = ()
    policies: Mapping[str, Policy] = field(default_factory=dict)
    inhibitions: Sequence[Rule] = ()
    pagers: Collection[str] = ()


class Pipeline:
    """An alert finds its incident (``place``); an incident's news finds its people (``tell``)."""

    def __init__(self, rules: Rules) -> None:
        self.stages: tuple[Stage, ...] = (
            Deduplicate(),
            Correlate(),
            Inhibit(rules.inhibitions),
            Silenced(),
            Maintenance(),
            Routed(rules.routes, pagers=rules.pagers),
            Escalate(rules.policies),
            Deliver(),
            Record(),
        )
        self._placing, self._telling = self.stages[:2], self.stages[2:-1]
        self._muting, self._routing = self._telling[:3], self._telling[3:]
        self._record = self.stages[-1]

    def place(self, case: Case) -> Case:
        """Which incident an alert belongs to: ``place`` of the answer."""
        return _through(self._placing, case)

    def tell(self, case: Case) -> Case:
        """Who is told of an incident's news: ``notices``, and in ``written`` what is new about
        why. A stop ends it, save that it is recorded."""
        decided = _through(self._telling, case)
        _, recorded = self._record.judge(decided)
        return recorded

    def mutes(self, case: Case) -> Case:
        """Everything that would hold the news back: no stop ends it."""
        return _through(self._muting, case, ends=False)

    def routes(self, case: Case) -> Case:
        """Who would be told if nothing held it back."""
        return _through(self._routing, case)


def _through(stages: Sequence[Stage], case: Case, *, ends: bool = True) -> Case:
    for stage in stages:
        decision, case = stage.judge(case)
        case = replace(case, decisions=(*case.decisions, decision))
        if ends and decision.outcome is Outcome.STOP:
            break
    return case
