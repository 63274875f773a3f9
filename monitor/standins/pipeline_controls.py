"""How the reference receiver sets controls: compare, then set, and each plan once."""

from __future__ import annotations

from typing import Any


class PipelineControls:
    """Thresholds, flags, shares and kill switches by (model, deployment, what, name)."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str, str, str], str] = {}
        self.changes = 0
        self._done: set[str] = set()

    def answer(self, action: str, plan_id: str, plan: dict[str, Any]) -> dict[str, str]:
        """The reply to ``dry_run``, ``execute`` or ``status``.

        Raises:
            KeyError: the plan lacks a field.
        """
        key = (plan["model"], plan["deployment"], plan["what"], plan["name"])
        now = self.values.get(key, "")
        if plan_id in self._done:
            return {"state": "executed", "text": "set by this plan", "serving": now}
        if now != plan["before"]:
            text = f"expected {plan['before'] or 'nothing'}, found {now or 'nothing'}"
            return {"state": "conflict", "text": text, "serving": now}
        if action != "execute":
            return {"state": "ready", "text": f"it is {now or 'not set'}", "serving": now}
        self.values[key] = plan["after"]
        self._done.add(plan_id)
        self.changes += 1
        return {"state": "executed", "text": f"set to {plan['after']}", "serving": plan["after"]}
