"""Labels that people wrote into a file, one JSON object a line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from alerts.actions.queues.box_files import drawn
from alerts.actions.queues.boxes import Box, box_of, few
from alerts.actions.queues.labels import class_of
from alerts.actions.queues.protocol import Annotation, Poll, TaskRef
from alerts.actions.queues.times import moment

_MOST_PROBLEMS = 20


def annotations_in(
    raw: bytes, refs: Sequence[TaskRef], class_names: Sequence[str], *, now: datetime
) -> Poll:
    """The labels of these tasks; lines of others are left out, what can't be read is told.

    ``now`` is the time of a label that has none. The last line may still be being written: it
    counts once it ends.
    """
    by_name = {ref.record_id: ref.id for ref in refs} | {ref.id: ref.id for ref in refs}
    found: list[Annotation] = []
    problems: list[str] = []
    whole = raw[: raw.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            annotation = _annotation(json.loads(line), by_name, class_names, now)
        except (ValueError, RecursionError) as error:
            is_told = type(error) is ValueError
            reason = str(error) if is_told else "not JSON"
            problems.append(f"line {number}: {reason}")
            continue
        if annotation is not None:
            found.append(annotation)
    if len(problems) > _MOST_PROBLEMS:
        more = len(problems) - _MOST_PROBLEMS
        problems = [*problems[:_MOST_PROBLEMS], f"{more} more lines"]
    return Poll(annotations=tuple(found), problems=tuple(problems))


def _annotation(
    plain: Any, by_name: Mapping[str, str], class_names: Sequence[str], now: datetime
) -> Annotation | None:
    if not isinstance(plain, dict):
        raise ValueError("expected a JSON object")
    name = plain.get("task") or plain.get("record_id")
    if not isinstance(name, str):
        raise ValueError("expected task or record_id")
    task = by_name.get(name)
    if task is None:
        return None
    author = plain.get("author") or ""
    lead = plain.get("lead_time_s")
    if not isinstance(author, str) or len(author) > 200:
        raise ValueError("author: expected at most 200 characters")
    if lead is not None and not (isinstance(lead, (int, float)) and 0 <= lead < 1e9):
        raise ValueError(f"lead_time_s: expected seconds, found {lead!r:.40}")
    at = now if plain.get("at") is None else moment(plain["at"], "at")
    if plain.get("boxes") is not None:
        return replace(
            drawn(task, _boxes(plain["boxes"], class_names), at, author=author),
            lead_time_s=None if lead is None else float(lead),
        )
    label = class_of(plain.get("label"), class_names)
    said = json.dumps([author, label, plain.get("at")])
    return Annotation(
        task=task,
        external_id=hashlib.sha256(said.encode()).hexdigest()[:16],
        author=author,
        label=label,
        at=at,
        lead_time_s=None if lead is None else float(lead),
    )


def _boxes(said: Any, class_names: Sequence[str]) -> tuple[Box, ...]:
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise ValueError("boxes: expected a list of objects")
    few(said)
    return tuple(box_of(_sides(one.get("box")), one.get("label"), class_names) for one in said)


def _sides(said: Any) -> Sequence[Any]:
    return said if isinstance(said, list) else ()
