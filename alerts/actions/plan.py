"""A rollback as a value: what an approval binds to and what a target carries out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackPlan:
    """Put ``to_version`` back where ``from_version`` serves. ``target`` is the kind of target."""

    incident_id: int
    model: str
    deployment: str
    from_version: str
    to_version: str
    target: str

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
        return f"rollback-{self.incident_id}-{self.hash[:16]}"

    @property
    def text(self) -> str:
        return f"{self.model} in {self.deployment}: {self.from_version} -> {self.to_version}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> RollbackPlan:
        """Raises:
        KeyError: a field is missing.
        """
        return cls(**{each.name: plain[each.name] for each in fields(cls)})
