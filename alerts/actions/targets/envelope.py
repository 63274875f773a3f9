"""A plan as it is handed to a program or a pipeline of the user's."""

from __future__ import annotations

import json
from typing import Any, Protocol


class Planned(Protocol):
    """A plan of any kind: a rollback, or a softer action."""

    @property
    def id(self) -> str: ...

    def to_json(self) -> dict[str, Any]: ...


def envelope(action: str, plan: Planned) -> bytes:
    """JSON: ``{"action": ..., "plan_id": ..., "plan": {...}}``."""
    plain = {"action": action, "plan_id": plan.id, "plan": plan.to_json()}
    return json.dumps(plain, sort_keys=True).encode()
