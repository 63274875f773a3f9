"""What the service made of a fault, held against what is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bench.actions.faults import Action, Fault
from bench.actions.play import Played
from monitor.store.tables import ActionRow

NOTHING = "nothing"
"""The cause of a fault of which nothing is said, and should be."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One fault of one seed. Seconds count from the onset; None: it did not come to that.

    * ``cause``: that of the first incident; ``further``: of the others.
    * ``action``: what was done; ``refused``: the codes of the guard's reasons against a rollback.
    * ``seconds_to_answer``: until it was mitigated, or a rollback was refused or asked for.
    """

    name: str
    group: str
    seed: int
    right_cause: str
    cause: str
    further: tuple[str, ...]
    cause_is_right: bool
    right_action: str
    action: str
    action_is_right: bool
    harmful: bool
    missed: bool
    false_incidents: int
    refused: tuple[str, ...]
    seconds_to_detect: float | None
    seconds_to_answer: float | None
    seconds_to_recover: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(fault: Fault, played: Played, seed: int) -> Judged:
    """Right or wrong, and how long it took."""
    causes = [one.cause for one in played.incidents]
    right = fault.cause.value if fault.cause is not None else NOTHING
    cause = causes[0] if causes else NOTHING
    allowed = {right, *(one.value for one in fault.also)}
    action = _action(played)
    rolled_back = any(one.executed_at is not None for one in _of_kind(played, "rollback"))
    return Judged(
        name=fault.name,
        group=fault.group,
        seed=seed,
        right_cause=right,
        cause=cause,
        further=tuple(causes[1:]),
        cause_is_right=cause == right and set(causes[1:]) <= allowed,
        right_action=fault.action.value,
        action=action.value,
        action_is_right=action is fault.action,
        harmful=rolled_back and fault.action is not Action.ROLLBACK,
        missed=fault.action is Action.ROLLBACK and not rolled_back,
        false_incidents=played.false,
        refused=_refused(played),
        seconds_to_detect=_after(played, [one.detected_at for one in played.incidents]),
        seconds_to_answer=_answer(played),
        seconds_to_recover=_after(
            played, [one.recovered_at for one in played.incidents if one.mitigated_at is not None]
        ),
    )


def _of_kind(played: Played, kind: str) -> list[ActionRow]:
    return [one for one in played.actions if one.kind == kind]


def _action(played: Played) -> Action:
    """The most far-reaching thing that was done."""
    rollbacks = _of_kind(played, "rollback")
    if any(one.executed_at is not None for one in rollbacks):
        return Action.ROLLBACK
    if any(one.state == "waiting" and one.decision.get("needs_approval") for one in rollbacks):
        return Action.ASK
    if any(one.state == "done" and one.result.get("items") for one in _of_kind(played, "relabel")):
        return Action.RELABEL
    return Action.PAGE if played.incidents else Action.NONE


def _refused(played: Played) -> tuple[str, ...]:
    codes = [
        str(reason["code"])
        for one in _of_kind(played, "rollback")
        for reason in one.decision.get("reasons", [])
        if one.executed_at is None and reason["outcome"] == one.decision.get("outcome")
    ]
    return tuple(dict.fromkeys(codes))


def _answer(played: Played) -> float | None:
    """Until a rollback was carried out, else refused, else asked for; else people were told."""
    rollbacks = _of_kind(played, "rollback")
    for moments in (
        [one.executed_at for one in rollbacks],
        [one.finished_at for one in rollbacks],
    ):
        found = _after(played, moments)
        if found is not None:
            return found
    waiting = [one.created_at for one in rollbacks if one.state == "waiting"]
    return _after(played, waiting or [one.detected_at for one in played.incidents])


def _after(played: Played, moments: Sequence[datetime | None]) -> float | None:
    known = [moment for moment in moments if moment is not None]
    return round((min(known) - played.onset).total_seconds(), 2) if known else None


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """The figures of the library."""
    if not judged:
        return {}
    return {
        "faults": len({one.name for one in judged}),
        "played": len(judged),
        "harmful_rollbacks": sum(one.harmful for one in judged),
        "missed_rollbacks": sum(one.missed for one in judged),
        "cause_accuracy": round(sum(one.cause_is_right for one in judged) / len(judged), 4),
        "action_accuracy": round(sum(one.action_is_right for one in judged) / len(judged), 4),
        "false_incidents": sum(one.false_incidents for one in judged),
        "cause_confusion": _table([(one.right_cause, one.cause) for one in judged]),
        "action_confusion": _table([(one.right_action, one.action) for one in judged]),
        "seconds": {
            action: _times([one for one in judged if one.right_action == action])
            for action in dict.fromkeys(one.right_action for one in judged)
        },
    }


def _table(pairs: Sequence[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Right answer -> answer -> how often."""
    rows: dict[str, Counter[str]] = {}
    for right, found in pairs:
        rows.setdefault(right, Counter())[found] += 1
    return {right: dict(sorted(found.items())) for right, found in rows.items()}


def _times(judged: Sequence[Judged]) -> dict[str, dict[str, float]]:
    """Median and largest of each time that was measured."""
    found = {}
    for name in ("seconds_to_detect", "seconds_to_answer", "seconds_to_recover"):
        values = sorted(v for v in (getattr(one, name) for one in judged) if v is not None)
        if values:
            found[name] = {"median": values[len(values) // 2], "largest": values[-1]}
    return found
