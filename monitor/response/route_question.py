"""What people ask of the routes, from text."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from alerts.types import AlertKind, Severity
from monitor.response.route_preview import Question
from vigil.errors import VigilError
from vigil.types import Cause, Slice

Word = TypeVar("Word", bound=StrEnum)


def question_of(
    *,
    model: str,
    deployment: str,
    severity: str,
    cause: str,
    kind: str,
    slice: str,
    owner: str | None,
    at: str,
    now: datetime,
) -> Question:
    """The question; ``kind`` and ``at`` may be empty.

    Raises:
        VigilError: a word that is none of those it may be, a slice or a moment that can't be read.
    """
    try:
        where = Slice.parse(slice)
    except ValueError as error:
        raise VigilError(str(error)) from None
    return Question(
        model=model,
        deployment=deployment,
        severity=_one_of(Severity, severity, "severity"),
        cause=_one_of(Cause, cause, "cause"),
        kind=_one_of(AlertKind, kind, "kind") if kind else None,
        slice=where,
        owner=owner,
        at=_moment(at) if at else now,
    )


def _one_of(words: type[Word], text: str, what: str) -> Word:
    try:
        return words(text)
    except ValueError:
        raise VigilError(f"{what}: expected one of {', '.join(words)}, found {text!r}") from None


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise VigilError(f"at: expected a moment as 2026-11-21 03:00, found {text!r}") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
