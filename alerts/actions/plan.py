"""A rollback as a value: what an approval binds to and what a target carries out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackPlan:
    """Put ``to_version`` back where ``from_version`` serves. ``target`` is the kind of target.

    ``installation`` tells the vigils apart that share a target, ``attempt`` the rollbacks of one
    incident that came back.
    """

    incident_id: int
    model: str
    deployment: str
    from_version: str
    to_version: str
    target: str
    installation: str = ""
    attempt: int = 1

    @property
    def hash(self) -> str:
        """SHA-256 of the plan as canonical JSON; an approval of another plan has another hash."""
        canonical = json.dumps(
            self.to_json(), sort_keys=True, ensure_ascii=False, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def id(self) -> str:
        """Names this plan to targets, which carry it out at most once."""
        whose = f"{self.installation}-" if self.installation else ""
        return f"rollback-{whose}{self.incident_id}-{self.hash[:16]}"

    @property
    def text(self) -> str:
        return f"{self.model} in {self.deployment}: {self.from_version} -> {self.to_version}"

    def to_json(self) -> dict[str, Any]:
        """Without what is as ever: a plan of an older vigil keeps its hash."""
        usual = {each.name: each.default for each in fields(self) if each.default is not MISSING}
        return {name: one for name, one in asdict(self).items() if one != usual.get(name)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> RollbackPlan:
        """Raises:
        KeyError: a field is missing.
        """
        return cls(
            **{
                each.name: plain[each.name]
                for each in fields(cls)
                if each.default is MISSING or each.name in plain
            }
        )
