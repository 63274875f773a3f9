"""Who would be told of an incident that is not there, in what order, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from alerts.labels import labels_of
from alerts.pipeline.case import Case
from alerts.pipeline.decision import Decision, Outcome
from alerts.pipeline.stages import Pipeline
from alerts.routing.tree import choose
from alerts.types import AlertKind, Incident, Severity
from monitor.response import facts
from monitor.response.rules import rules_of
from monitor.settings.schema import Settings
from vigil.types import WHOLE, Cause, Slice

_NEWEST = 2**62
"""The number of an incident that is younger than all that are open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What the incident would be. ``kind`` and ``owner`` follow from the cause and the settings
    where they are not given."""

    model: str
    deployment: str = "production"
    severity: Severity = Severity.ERROR
    cause: Cause = Cause.UNKNOWN
    kind: AlertKind | None = None
    slice: Slice = WHOLE
    owner: str | None = None
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """``after_s`` seconds after the page; ``kind`` of the receiver as the settings name it."""

    after_s: float
    receiver: str
    kind: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """``mutes`` are the decisions of all stages that may hold it back, ``passed`` the routes that
    do not match and why, ``told`` who hears of it once nothing holds it back."""

    question: Question
    labels: dict[str, str]
    mutes: tuple[Decision, ...]
    route: str
    passed: tuple[str, ...]
    told: tuple[Told, ...]

    @property
    def held(self) -> tuple[Decision, ...]:
        """What holds it back; empty where it goes at once."""
        return tuple(each for each in self.mutes if each.outcome is Outcome.STOP)


def preview(session: Session, settings: Settings, question: Question) -> Preview:
    """Ask the pipeline, with the incidents that are open now and the silences of that moment."""
    rules = rules_of(settings)
    pipeline = Pipeline(rules)
    incident = _imagined(settings, question)
    labels = labels_of(incident)
    known = facts.known(session, question.at)
    case = Case(at=question.at, labels=labels, known=known, incident=incident)
    routed = pipeline.routes(case)
    told = [
        _told(settings, 0.0, each.receiver, routed.decisions[0].reason) for each in routed.notices
    ]
    policy = rules.policies.get(routed.escalation or "")
    if policy is not None:
        after_s = 0.0
        for taken in range(policy.length):
            step = policy.step(taken)
            if step is not None:
                after_s += step.after_s
                why = f"nobody acknowledged: {policy.told(taken)}"
                told += [_told(settings, after_s, name, why) for name in step.receivers]
    return Preview(
        question=question,
        labels=labels,
        mutes=pipeline.mutes(case).decisions,
        route=routed.decisions[0].reason,
        passed=choose(rules.routes, labels, at=question.at).passed,
        told=tuple(told),
    )


def _told(settings: Settings, after_s: float, receiver: str, why: str) -> Told:
    known = settings.receivers.get(receiver)
    return Told(
        after_s=after_s, receiver=receiver, kind=known.kind if known else "console", why=why
    )


def _imagined(settings: Settings, question: Question) -> Incident:
    watched = settings.model(question.model, question.deployment)
    owner = question.owner
    if owner is None:
        owner = watched.owner if watched else ""
    return Incident(
        id=_NEWEST,
        group_key="",
        fingerprint="",
        kind=question.kind or AlertKind.of(question.cause),
        cause=question.cause,
        severity=question.severity,
        model=question.model,
        model_version="",
        deployment=question.deployment,
        slice=question.slice,
        title="",
        detected_at=question.at,
        last_firing_at=question.at,
        labels={"owner": owner},
    )
