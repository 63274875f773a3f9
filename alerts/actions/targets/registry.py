"""A registry of what serves, in one JSON file: the default where nothing else is installed.

Writers take a lock on a file beside it and replace the file atomically, so that a reader sees the
old or the new state, whole, and a killed writer leaves the old one. A plan is carried out by
comparing and setting: only where ``from_version`` still serves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts.actions.json_file import locked, write_whole
from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetReport, TargetState
from vigil.clock import Clock, SystemClock
from vigil.errors import ConflictError, VigilError

FORMAT = 1
_KEPT = 1000


class RegistryError(VigilError):
    """A registry file that can't be read or written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """One change of what serves. ``plan_id`` names the rollback that made it, if one did."""

    version: str
    previous: str | None
    at: str
    actor: str
    plan_id: str | None = None


class LocalRegistry:
    """Which version of each model and deployment serves, and how it came to.

    Args:
        path: the JSON file; made on the first promotion.
        clock: dates the history.
    """

    kind = "registry"

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None) -> None:
        self.path = Path(path)
        self._clock = clock or SystemClock()

    def serving(self, model: str, deployment: str) -> str | None:
        """Raises:
        RegistryError: the file is there and can't be read.
        """
        history = self.history(model, deployment)
        return history[-1].version if history else None

    def history(self, model: str, deployment: str) -> list[Promotion]:
        """All promotions, oldest first (the latest 1000)."""
        entries = self._read().get(model, {}).get(deployment, [])
        return [Promotion(**entry) for entry in entries]

    def models(self) -> list[tuple[str, str]]:
        return [(model, one) for model, held in self._read().items() for one in held]

    def promote(
        self,
        model: str,
        deployment: str,
        version: str,
        actor: str,
        plan_id: str | None = None,
        expected: str | None = None,
    ) -> Promotion:
        """Let ``version`` serve.

        Args:
            model: its name.
            deployment: where it serves.
            version: what shall serve.
            actor: who wants it.
            plan_id: the rollback; the same plan is carried out once, and then its entry returned.
            expected: what must serve now; None: whatever does.

        Raises:
            ConflictError: something else than ``expected`` serves.
            RegistryError: the file can't be read or written.
        """
        with self._locked():
            models = self._read()
            entries = models.setdefault(model, {}).setdefault(deployment, [])
            for entry in entries:
                if plan_id is not None and entry["plan_id"] == plan_id:
                    return Promotion(**entry)
            now = entries[-1]["version"] if entries else None
            if expected is not None and now != expected:
                raise ConflictError(
                    f"{self.path}: {model}/{deployment}: expected {expected} to serve, found {now}"
                )
            promotion: dict[str, Any] = {
                "version": version,
                "previous": now,
                "at": self._clock.now().isoformat(),
                "actor": actor,
                "plan_id": plan_id,
            }
            entries.append(promotion)
            del entries[:-_KEPT]
            self._write(models)
            return Promotion(**promotion)

    def dry_run(self, plan: RollbackPlan) -> TargetReport:
        done = self.status(plan)
        if done.state in (TargetState.EXECUTED, TargetState.FAILED):
            return done
        known = {each.version for each in self.history(plan.model, plan.deployment)}
        if plan.to_version not in known:
            return TargetReport(
                state=TargetState.FAILED,
                text=f"{plan.to_version} has never served {plan.model}/{plan.deployment}",
            )
        return done

    def execute(self, plan: RollbackPlan) -> TargetReport:
        rehearsal = self.dry_run(plan)
        if rehearsal.state is not TargetState.READY:
            return rehearsal
        try:
            promotion = self.promote(
                plan.model,
                plan.deployment,
                plan.to_version,
                actor="vigil",
                plan_id=plan.id,
                expected=plan.from_version,
            )
        except ConflictError as error:
            return TargetReport(state=TargetState.CONFLICT, text=str(error))
        except (RegistryError, OSError) as error:
            return TargetReport(state=TargetState.FAILED, text=str(error))
        return self._executed(plan, promotion)

    def status(self, plan: RollbackPlan) -> TargetReport:
        try:
            history = self.history(plan.model, plan.deployment)
        except RegistryError as error:
            return TargetReport(state=TargetState.FAILED, text=str(error))
        for promotion in history:
            if promotion.plan_id == plan.id:
                return self._executed(plan, promotion)
        now = history[-1].version if history else None
        if now != plan.from_version:
            text = f"expected {plan.from_version} to serve, found {now}"
            return TargetReport(state=TargetState.CONFLICT, text=text)
        return TargetReport(
            state=TargetState.READY, text=f"{plan.from_version} serves; {plan.to_version} would"
        )

    def verify(self, plan: RollbackPlan) -> TargetReport:
        try:
            now = self.serving(plan.model, plan.deployment)
        except RegistryError as error:
            return TargetReport(state=TargetState.UNCLEAR, text=str(error))
        state = TargetState.EXECUTED if now == plan.to_version else TargetState.CONFLICT
        return TargetReport(state=state, text=f"{now} serves by the registry")

    @staticmethod
    def _executed(plan: RollbackPlan, promotion: Promotion) -> TargetReport:
        return TargetReport(
            state=TargetState.EXECUTED,
            text=f"{plan.to_version} serves since {promotion.at}",
            receipt={"plan_id": plan.id, "at": promotion.at},
        )

    def _read(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        try:
            plain = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RegistryError(f"{self.path}: can't be read: {error}") from None
        if not isinstance(plain, dict) or plain.get("format") != FORMAT:
            raise RegistryError(f"{self.path}: expected a registry of format {FORMAT}")
        models = plain.get("models")
        if not isinstance(models, dict):
            raise RegistryError(f"{self.path}: models: expected a table, found {models!r:.80}")
        return models

    def _write(self, models: dict[str, Any]) -> None:
        write_whole(self.path, {"format": FORMAT, "models": models})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.path))
            except OSError as error:
                raise RegistryError(f"{self.path}: can't be locked: {error}") from None
            yield
