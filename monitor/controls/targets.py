"""Where controls are set: a file that processes read, a signed webhook, a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from alerts.actions.json_file import locked, write_whole
from alerts.actions.targets.command import Program
from alerts.actions.targets.protocol import TargetReport, TargetState
from alerts.actions.targets.webhook import SignedWebhook
from monitor.controls.plan import ControlPlan
from vigil.controls import FORMAT

_KEPT = 1000


class Values(Protocol):
    """Tells how controls stand."""

    def current(self, model: str, deployment: str, what: str, name: str) -> str | None:
        """The value now, empty where it is not set; None where that can't be told."""
        ...


class ControlTarget(Values, Protocol):
    """As a rollback's target: the same plan may be sent twice and is carried out once; no method
    raises because the target is away or refuses."""

    @property
    def kind(self) -> str: ...

    def execute(self, plan: ControlPlan) -> TargetReport: ...

    def status(self, plan: ControlPlan) -> TargetReport: ...


class FileTarget:
    """One JSON file, which ``vigil.controls`` reads in the user's process."""

    kind = "file"

    def __init__(self, path: Path) -> None:
        self.path = path

    def current(self, model: str, deployment: str, what: str, name: str) -> str | None:
        try:
            return _value(self._read(), (model, deployment, what, name))
        except (OSError, ValueError):
            return None

    def status(self, plan: ControlPlan) -> TargetReport:
        try:
            return _standing(self._read(), plan)
        except (OSError, ValueError) as error:
            return _failed(self.path, error)

    def execute(self, plan: ControlPlan) -> TargetReport:
        try:
            with locked(self.path):
                plain = self._read()
                report = _standing(plain, plan)
                if report.state is not TargetState.READY:
                    return report
                names = plain["controls"]
                for key in (plan.model, plan.deployment, plan.what):
                    names = names.setdefault(key, {})
                names.pop(plan.name, None)
                if plan.after:
                    names[plan.name] = plan.after
                plain["done"] = [*plain["done"], plan.id][-_KEPT:]
                write_whole(self.path, plain)
        except (OSError, ValueError) as error:
            return _failed(self.path, error)
        return _executed(plan)

    def _read(self) -> dict[str, Any]:
        """Raises:
        ValueError: not a file of controls.
        """
        try:
            plain = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {"format": FORMAT, "controls": {}, "done": []}
        shaped = (
            isinstance(plain, dict)
            and plain.get("format") == FORMAT
            and isinstance(plain.get("controls"), dict)
            and isinstance(plain.get("done"), list)
        )
        if not shaped:
            raise ValueError(f"expected controls of format {FORMAT}")
        return dict(plain)


class NotTold:
    """What a webhook or a program knows: plans, not values. Each compares for itself."""

    def current(self, model: str, deployment: str, what: str, name: str) -> str | None:
        del model, deployment, what, name
        return None


class WebhookTarget(NotTold):
    """The signed webhook of rollbacks, with a control as its plan."""

    kind = "webhook"

    def __init__(self, webhook: SignedWebhook) -> None:
        self._webhook = webhook

    def execute(self, plan: ControlPlan) -> TargetReport:
        return self._webhook.execute(plan)

    def status(self, plan: ControlPlan) -> TargetReport:
        return self._webhook.status(plan)


class CommandTarget(NotTold):
    """A program of the user's, called as for a rollback (``alerts.actions.targets.command``), with
    ``VIGIL_CONTROL``, ``VIGIL_NAME``, ``VIGIL_BEFORE`` and ``VIGIL_AFTER`` instead of versions."""

    kind = "command"

    def __init__(self, argv: Sequence[str], *, timeout_s: float, pass_on: Sequence[str]) -> None:
        self._program = Program(argv, timeout_s=timeout_s, pass_on=pass_on)

    def execute(self, plan: ControlPlan) -> TargetReport:
        return self._ask("execute", plan)

    def status(self, plan: ControlPlan) -> TargetReport:
        return self._ask("status", plan)

    def _ask(self, action: str, plan: ControlPlan) -> TargetReport:
        return self._program.ask(
            action,
            plan,
            {
                "VIGIL_CONTROL": plan.what,
                "VIGIL_NAME": plan.name,
                "VIGIL_BEFORE": plan.before,
                "VIGIL_AFTER": plan.after,
            },
        )


def _value(plain: dict[str, Any], keys: tuple[str, ...]) -> str:
    found: Any = plain["controls"]
    for key in keys:
        if not isinstance(found, dict):
            raise ValueError(f"expected a table above {key!r:.40}")
        found = found.get(key, {})
    return found if isinstance(found, str) else ""


def _standing(plain: dict[str, Any], plan: ControlPlan) -> TargetReport:
    if plan.id in plain["done"]:
        return _executed(plan)
    now = _value(plain, (plan.model, plan.deployment, plan.what, plan.name))
    if now != plan.before:
        text = f"expected {plan.before or 'nothing'}, found {now or 'nothing'}"
        return TargetReport(state=TargetState.CONFLICT, text=text)
    return TargetReport(state=TargetState.READY, text=f"it is {now or 'not set'}")


def _executed(plan: ControlPlan) -> TargetReport:
    text = f"set to {plan.after or 'nothing'}"
    return TargetReport(state=TargetState.EXECUTED, text=text, receipt={"plan_id": plan.id})


def _failed(path: Path, error: Exception) -> TargetReport:
    said = error.strerror if isinstance(error, OSError) else str(error)
    return TargetReport(state=TargetState.FAILED, text=f"{path}: {said}")
