"""Whether each rollback target can be reached and says what serves: asked before it counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import RollbackTarget, TargetState
from alerts.actions.targets.system_target import SystemTarget
from alerts.actions.targets.webhook import SignedWebhook
from monitor.rollback_targets import open_target
from monitor.settings.schema import Settings, WatchedModel
from vigil.errors import ConfigError, VigilError

KNOWS_PLANS_ONLY = ("webhook", "command")
"""Targets that never tell what serves."""

_NO_VERSION = "?"


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetCheck:
    """``problem`` is empty where the target answers as it should."""

    model: str
    deployment: str
    target: str
    serving: str | None = None
    problem: str = ""


def check_targets(settings: Settings) -> Iterator[TargetCheck]:
    """Each model that has a target. Asks for the status of a plan that nobody made: that changes
    nothing, and every target answers it."""
    for watched in settings.models:
        if watched.rollback.target != "none":
            yield _check(watched)


def _check(watched: WatchedModel) -> TargetCheck:
    rules = watched.rollback
    serving, problem = None, ""
    try:
        with _opened(watched) as target:
            serving = target.serving(watched.name, watched.deployment)
            problem = _problem(target, watched, serving)
    except ConfigError as error:
        problem = f"{error.key} expects {error.expected}, found {error.found}"
    except VigilError as error:
        problem = str(error)
    return TargetCheck(
        model=watched.name,
        deployment=watched.deployment,
        target=rules.target,
        serving=serving,
        problem=problem,
    )


@contextmanager
def _opened(watched: WatchedModel) -> Iterator[RollbackTarget]:
    """Closed afterwards, if it holds connections."""
    target = open_target(watched.rollback, f"models.{watched.name}.rollback")
    try:
        yield target
    finally:
        if isinstance(target, SystemTarget | SignedWebhook):
            target.close()


def _problem(target: RollbackTarget, watched: WatchedModel, serving: str | None) -> str:
    plan = RollbackPlan(
        incident_id=0,
        model=watched.name,
        deployment=watched.deployment,
        from_version=_NO_VERSION,
        to_version=_NO_VERSION,
        target=target.kind,
        installation="check",
    )
    report = target.status(plan)
    if report.state in (TargetState.UNCLEAR, TargetState.FAILED):
        return report.text
    if serving is None and target.kind not in KNOWS_PLANS_ONLY:
        return "it answers, and does not tell which version serves"
    return ""
