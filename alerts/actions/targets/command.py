"""A rollback by a program of the user's, such as a script around their own deployment tool.

It is run with the action (``dry_run``, ``execute``, ``status`` or ``verify``) as its last argument.
On its standard input is the same JSON that the webhook posts: ``{"action": ..., "plan_id": ...,
"plan": {...}}``. The plan is in variables too: ``VIGIL_ACTION``, ``VIGIL_PLAN_ID``,
``VIGIL_MODEL``, ``VIGIL_DEPLOYMENT``, ``VIGIL_FROM_VERSION``, ``VIGIL_TO_VERSION``. What it prints
last is shown to people. Its exit code is the answer:

* 0: yes. ``dry_run``: it could be carried out; ``execute`` and ``status``: it was, by this plan;
  ``verify``: ``to_version`` serves.
* 10: ready, not carried out yet. 11: pending. 12: conflict, something else serves.
  13: failed, and trying again will not help.
* anything else, a signal, or no end in time: unclear. It is asked for the ``status``, and then
  perhaps to ``execute`` the same plan again: it has to carry a plan out once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from alerts.actions.command import run
from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.envelope import Planned, envelope
from alerts.actions.targets.protocol import TargetReport, TargetState

READY, PENDING, CONFLICT, FAILED = 10, 11, 12, 13

_STATES = {
    READY: TargetState.READY,
    PENDING: TargetState.PENDING,
    CONFLICT: TargetState.CONFLICT,
    FAILED: TargetState.FAILED,
}


class Plan(Planned, Protocol):
    """What a program is told of every plan."""

    @property
    def model(self) -> str: ...

    @property
    def deployment(self) -> str: ...


class Program:
    """A program that carries out plans of any kind.

    Args:
        argv: the program and its first arguments.
        timeout_s: how long one call may take.
        pass_on: names of variables of the service's environment that it sees.
    """

    def __init__(self, argv: Sequence[str], *, timeout_s: float, pass_on: Sequence[str]) -> None:
        self._argv, self._timeout_s, self._pass_on = tuple(argv), timeout_s, tuple(pass_on)

    def __repr__(self) -> str:
        return repr(self._argv[0])

    def ask(self, action: str, plan: Plan, variables: Mapping[str, str]) -> TargetReport:
        """Run it; the receipt is empty where it was not even started.

        Args:
            variables: of the plan, beside its id, model and deployment.
        """
        end = run(
            (*self._argv, action),
            stdin=envelope(action, plan),
            variables={
                "VIGIL_ACTION": action,
                "VIGIL_PLAN_ID": plan.id,
                "VIGIL_MODEL": plan.model,
                "VIGIL_DEPLOYMENT": plan.deployment,
                **variables,
            },
            pass_on=self._pass_on,
            timeout_s=self._timeout_s,
        )
        if not end.started:
            return TargetReport(state=TargetState.FAILED, text=end.said)
        yes = TargetState.READY if action == "dry_run" else TargetState.EXECUTED
        state = {0: yes, **_STATES}.get(-1 if end.code is None else end.code, TargetState.UNCLEAR)
        code = "" if end.code is None else str(end.code)
        text = end.said or f"the program ended with {code}"
        return TargetReport(state=state, text=text, receipt={"plan_id": plan.id, "code": code})


class CommandTarget:
    """Args:
    argv: the program and its first arguments.
    timeout_s: how long one call may take.
    pass_on: names of variables of the service's environment that it sees.
    """

    kind = "command"

    def __init__(
        self, argv: Sequence[str], *, timeout_s: float = 60.0, pass_on: Sequence[str] = ()
    ) -> None:
        self._program = Program(argv, timeout_s=timeout_s, pass_on=pass_on)

    def __repr__(self) -> str:
        return f"CommandTarget({self._program!r})"

    def serving(self, model: str, deployment: str) -> str | None:
        """None: the program knows plans, not models."""
        del model, deployment
        return None

    def dry_run(self, plan: RollbackPlan) -> TargetReport:
        return self._run("dry_run", plan)

    def execute(self, plan: RollbackPlan) -> TargetReport:
        return self._run("execute", plan)

    def status(self, plan: RollbackPlan) -> TargetReport:
        return self._run("status", plan)

    def verify(self, plan: RollbackPlan) -> TargetReport:
        return self._run("verify", plan)

    def _run(self, action: str, plan: RollbackPlan) -> TargetReport:
        report = self._program.ask(
            action,
            plan,
            {"VIGIL_FROM_VERSION": plan.from_version, "VIGIL_TO_VERSION": plan.to_version},
        )
        if action == "verify" and not report.receipt:
            return replace(report, state=TargetState.UNCLEAR)
        return report
