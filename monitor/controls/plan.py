"""A softer action as a value: what an approval binds to and what a target carries out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from vigil.arguments import NAME_LIMIT
from vigil.controls import FLAG, KILL, OFF, ON, SHARE, THRESHOLD
from vigil.errors import VigilError


class ControlError(VigilError):
    """A control that can't be set: what was expected, what came."""


class What(StrEnum):
    """``kill`` has no name: it is the model's own."""

    THRESHOLD = THRESHOLD
    FLAG = FLAG
    SHARE = SHARE
    KILL = KILL


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlPlan:
    """Set one control to ``after`` where it is ``before`` (empty: not set yet).

    ``turn`` counts the plans for this control, so that the same change, made again later, is
    another plan. ``undoes``: the number of the control that it takes back, or 0. An empty ``after``
    unsets. ``incident_id``: what called for it, or 0.
    """

    installation: str
    model: str
    deployment: str
    what: str
    name: str
    before: str
    after: str
    turn: int
    incident_id: int = 0
    undoes: int = 0

    @property
    def hash(self) -> str:
        """SHA-256 of the plan as canonical JSON."""
        plain = json.dumps(
            self.to_json(), sort_keys=True, ensure_ascii=False, separators=(",", ":")
        )
        return hashlib.sha256(plain.encode()).hexdigest()

    @property
    def id(self) -> str:
        """Names this plan to targets, which carry it out at most once."""
        return f"control-{self.hash[:32]}"

    @property
    def text(self) -> str:
        shown = f"{self.what} {self.name}".strip()
        return (
            f"{shown} of {self.model} in {self.deployment}: "
            f"{self.before or 'not set'} -> {self.after or 'not set'}"
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> ControlPlan:
        """Raises:
        KeyError: a field is missing.
        """
        return cls(**{each.name: plain[each.name] for each in fields(cls)})


def checked(what: str, name: str, value: str) -> tuple[What, str, str]:
    """What was asked for, in its one form.

    Raises:
        ControlError: an unknown kind, a name or a value that does not fit it.
    """
    if what not in set(What):
        raise ControlError(f"control: expected one of {', '.join(What)}, found {what!r:.40}")
    kind, value = What(what), value.strip()
    if kind is What.KILL:
        if name:
            raise ControlError(f"kill: expected no name, found {name!r:.40}")
    elif not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
        raise ControlError(f"{kind}: expected a name of 1 to {NAME_LIMIT} characters")
    if kind in (What.FLAG, What.KILL):
        if value not in (ON, OFF):
            raise ControlError(f"{kind}: expected {ON} or {OFF}, found {value!r:.40}")
        return kind, name, value
    try:
        number = float(value)
    except ValueError:
        raise ControlError(f"{kind} {name}: expected a number, found {value!r:.40}") from None
    if not math.isfinite(number) or (kind is What.SHARE and not 0 <= number <= 1):
        wanted = "a share from 0 to 1" if kind is What.SHARE else "a finite number"
        raise ControlError(f"{kind} {name}: expected {wanted}, found {value!r:.40}")
    return kind, name, f"{number:g}"
