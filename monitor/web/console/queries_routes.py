"""The page of routes: the tree, and the answer to what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy.orm import Session

from alerts.pipeline.inhibit import BUILT_IN
from alerts.routing.drawing import drawn, in_words
from alerts.routing.tree import DEFAULT_RECEIVERS
from alerts.types import AlertKind, Severity
from alerts.wording import duration
from dashboards.console.routesview import RouteAnswer, RouteLine, RoutesView, StageLine, ToldLine
from monitor.response.route_preview import Preview, Question, preview
from monitor.response.route_question import question_of
from monitor.response.rules import rules_of
from monitor.settings.schema import Settings
from vigil.errors import VigilError
from vigil.types import Cause

_FIELDS = ("model", "severity", "cause", "kind", "slice", "owner", "at")


def routes_page(
    session: Session, settings: Settings, asked: Mapping[str, str], now: datetime
) -> RoutesView:
    """``asked``: the fields of the form; without a model nothing is asked yet."""
    rules = rules_of(settings)
    families = tuple(f"{one.name}/{one.deployment}" for one in settings.models) or ("/",)
    first = {"model": families[0], "severity": "error", "cause": Cause.INPUT_FAULT.value}
    answer, error = None, ""
    if asked.get("model"):
        try:
            answer = _answer(preview(session, settings, _question(asked, now)))
        except VigilError as problem:
            error = str(problem)
    return RoutesView(
        lines=tuple(RouteLine(**asdict(line)) for line in drawn(rules.routes)),
        default=", ".join(DEFAULT_RECEIVERS),
        policies=tuple((name, in_words(policy)) for name, policy in rules.policies.items()),
        inhibitions=(
            BUILT_IN[0].name,
            *(each.in_words() for each in rules.inhibitions),
        ),
        form={name: asked.get(name) or first.get(name, "") for name in _FIELDS},
        choices={
            "model": families,
            "severity": tuple(Severity),
            "cause": tuple(Cause),
            "kind": ("", *AlertKind),
        },
        answer=answer,
        error=error,
    )


def _question(asked: Mapping[str, str], now: datetime) -> Question:
    model, _, deployment = asked["model"].rpartition("/")
    return question_of(
        model=model,
        deployment=deployment,
        severity=asked.get("severity", ""),
        cause=asked.get("cause", ""),
        kind=asked.get("kind", ""),
        slice=asked.get("slice", ""),
        owner=asked.get("owner") or None,
        at=asked.get("at", ""),
        now=now,
    )


def _answer(found: Preview) -> RouteAnswer:
    stages = [
        StageLine(stage=each.stage, outcome=each.outcome.value, reason=each.reason)
        for each in found.mutes
    ]
    return RouteAnswer(
        labels=tuple((key, value) for key, value in found.labels.items() if value),
        stages=(*stages, StageLine(stage="route", outcome="change", reason=found.route)),
        passed=found.passed,
        told=tuple(
            ToldLine(
                when="at once" if each.after_s == 0 else f"after {duration(each.after_s)}",
                receiver=each.receiver,
                kind=each.kind,
                why=each.why,
            )
            for each in found.told
        ),
        held=bool(found.held),
    )
