"""What people said in Label Studio, read from a task as its API shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alerts.actions.queues.label_studio_boxes import BOXES, boxes_in
from alerts.actions.queues.labels import class_of
from alerts.actions.queues.protocol import Annotation, LabelQueueError, Poll
from alerts.actions.queues.service import LabelService
from alerts.actions.queues.times import moment

__all__ = ["BOXES", "CHOICES", "CONTROL", "Users", "annotations_of"]

CONTROL = "class"
CHOICES = {"from_name": CONTROL, "to_name": "image", "type": "choices"}


class Users:
    """Who is behind a number; looked up once, when it is first needed."""

    def __init__(self, api: LabelService) -> None:
        self._api = api
        self._names: dict[int, str] | None = None

    def name(self, number: object) -> str:
        """Their e-mail address; ``user 7`` where we may not see it."""
        if self._names is None:
            self._names = self._read()
        if not isinstance(number, int):
            return ""
        return self._names.get(number) or f"user {number}"

    def _read(self) -> dict[int, str]:
        try:
            found = self._api.ask("GET", "/users").json()
        except LabelQueueError:
            return {}
        users = found if isinstance(found, list) else []
        return {
            user["id"]: str(user.get("email") or user.get("username") or "")
            for user in users
            if isinstance(user, dict) and isinstance(user.get("id"), int)
        }


def annotations_of(
    task: Mapping[str, Any],
    ours: str,
    class_names: Sequence[str],
    users: Users,
    *,
    boxes: bool = False,
) -> Poll:
    """The annotations of a task; skipped ones say nothing."""
    found: list[Annotation] = []
    problems: list[str] = []
    said = task.get("annotations")
    for one in said if isinstance(said, list) else []:
        if not isinstance(one, dict) or one.get("was_cancelled"):
            continue
        try:
            found.append(_annotation(one, ours, class_names, users, boxes))
        except ValueError as error:
            problems.append(f"task {task.get('id')}: {error}")
    return Poll(annotations=tuple(found), problems=tuple(problems))


def _annotation(
    one: Mapping[str, Any], ours: str, class_names: Sequence[str], users: Users, boxes: bool
) -> Annotation:
    lead = one.get("lead_time")
    is_time = isinstance(lead, (int, float)) and not isinstance(lead, bool) and 0 <= lead < 1e9
    drawn = boxes_in(one.get("result"), class_names) if boxes else None
    return Annotation(
        task=ours,
        external_id=str(one.get("id", "")),
        author=users.name(one.get("completed_by")),
        label=class_of(_choice(one.get("result")), class_names) if drawn is None else len(drawn),
        at=moment(one.get("updated_at") or one.get("created_at"), "updated_at"),
        lead_time_s=float(lead) if is_time and lead is not None else None,
        boxes=drawn,
    )


def _choice(result: Any) -> object:
    for item in result if isinstance(result, list) else []:
        if isinstance(item, dict) and item.get("from_name") == CONTROL:
            value = item.get("value")
            chosen = value.get("choices") if isinstance(value, dict) else None
            if isinstance(chosen, list) and len(chosen) == 1:
                return chosen[0]
    raise ValueError(f"expected one choice of {CONTROL!r}, found none or more")
