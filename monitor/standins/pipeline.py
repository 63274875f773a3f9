"""A reference receiver of vigil's rollback webhook: what a deployment pipeline has to do.

Check the signature and its time first; compare before you set; remember each plan, so that the
same one sent twice happens once. ``alerts.actions.targets.webhook`` describes request and reply.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from alerts.actions.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, refusal
from monitor.standins.faults import Faults
from monitor.standins.pipeline_controls import PipelineControls
from monitor.standins.reply import Reply, Request, as_json
from vigil.clock import Clock


class PipelineStandIn:
    """Args:
    clock: against which a signature's time is checked.
    secret: shared with vigil.
    deploy: called with (model, deployment, version) when something else shall serve.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        secret: str,
        deploy: Callable[[str, str, str], None] = lambda model, deployment, version: None,
    ) -> None:
        self.faults = Faults()
        self.requests: list[dict[str, Any]] = []
        self._clock = clock
        self._secret = secret
        self._deploy = deploy
        self._history: dict[tuple[str, str], list[str]] = {}
        self._done: dict[str, str] = {}
        self._lock = threading.RLock()
        self.controls = PipelineControls()

    def promote(self, model: str, deployment: str, version: str) -> None:
        """A release, as a person or CI makes it."""
        with self._lock:
            self._history.setdefault((model, deployment), []).append(version)
            self._deploy(model, deployment, version)

    def serving(self, model: str, deployment: str) -> str | None:
        with self._lock:
            history = self._history.get((model, deployment), [])
            return history[-1] if history else None

    def answer(self, request: Request) -> Reply:
        fault = self.faults.take()
        if fault is not None and fault.status is not None:
            return as_json({"text": "fault"}, fault.status)
        why = refusal(
            self._secret,
            request.header(TIMESTAMP_HEADER),
            request.header(SIGNATURE_HEADER),
            request.body,
            now_s=self._clock.now().timestamp(),
        )
        if why is not None:
            return as_json({"text": why}, 401)
        with self._lock:
            reply = self._handle(request.json() or {})
        return Reply(lost=True) if fault is not None and fault.lose_answer else reply

    def _handle(self, envelope: dict[str, Any]) -> Reply:
        try:
            action, plan_id, plan = envelope["action"], envelope["plan_id"], envelope["plan"]
            key = plan["model"], plan["deployment"]
            if "what" in plan:
                return as_json(self.controls.answer(action, plan_id, plan))
            from_version, to_version = plan["from_version"], plan["to_version"]
        except (KeyError, TypeError):
            return as_json({"text": "expected action, plan_id and plan"}, 400)
        if action not in ("dry_run", "execute", "status", "verify"):
            return as_json({"text": f"action: {action!r}"}, 400)
        if action == "verify":
            now = self.serving(*key)
            state, text = "executed" if now == to_version else "conflict", f"{now} serves"
        else:
            state, text = self._judge(key, plan_id, from_version, to_version)
        if action == "execute" and state == "ready":
            self.promote(*key, to_version)
            self._done[plan_id] = to_version
            state, text = "executed", f"{to_version} serves"
        self.requests.append(
            {"action": action, "plan_id": plan_id, "plan": plan, "state": state, "text": text}
        )
        return as_json({"state": state, "text": text, "serving": self.serving(*key)})

    def _judge(
        self, key: tuple[str, str], plan_id: str, from_version: str, to_version: str
    ) -> tuple[str, str]:
        if plan_id in self._done:
            return "executed", f"{to_version} was put back by this plan"
        now = self.serving(*key)
        if now != from_version:
            return "conflict", f"expected {from_version} to serve, found {now}"
        if to_version not in self._history.get(key, []):
            return "failed", f"{to_version} has never served here"
        return "ready", f"{from_version} serves; {to_version} would"
