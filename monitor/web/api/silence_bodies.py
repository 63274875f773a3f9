"""What the API is told of silences, and what it answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alerts.labels import labels_of
from alerts.silences.draft import draft
from alerts.silences.matchers import LONGEST_LABEL, LONGEST_VALUE, Matcher, Op
from alerts.silences.recurrence import LONGEST_WINDOW, Recurrence
from alerts.silences.silence import Silence, SilenceKind, SilenceState
from alerts.types import Incident
from monitor.response.silence_preview import Preview
from monitor.web.api.answers import Answer
from monitor.web.api.texts import Note

MOST_SHOWN = 50


class MatcherBody(BaseModel):
    """``label op value``; a missing label reads as empty, an expression holds for the whole."""

    model_config = ConfigDict(extra="forbid")
    label: Annotated[str, Field(min_length=1, max_length=LONGEST_LABEL)]
    op: Op = Op.EQUAL
    value: Annotated[str, Field(max_length=LONGEST_VALUE)]


class RecurrenceBody(BaseModel):
    """An RRULE by the clocks of an IANA time zone; each window lasts ``duration_s``."""

    model_config = ConfigDict(extra="forbid")
    rule: Annotated[str, Field(max_length=300)]
    time_zone: Annotated[str, Field(max_length=100)] = "UTC"
    duration_s: Annotated[float, Field(gt=0, le=LONGEST_WINDOW.total_seconds())]

    def value(self) -> Recurrence:
        length = timedelta(seconds=self.duration_s)
        return Recurrence(rule=self.rule, time_zone=self.time_zone, duration=length)


class NewSilence(BaseModel):
    """A silence to make, or with ``preview`` only to try. It begins now where not said."""

    model_config = ConfigDict(extra="forbid")
    kind: SilenceKind = SilenceKind.SILENCE
    matchers: Annotated[list[MatcherBody], Field(max_length=100)]
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime
    recurrence: RecurrenceBody | None = None
    comment: Annotated[Note, Field(min_length=1)]
    preview: bool = False

    def value(self, *, actor: str, now: datetime) -> Silence:
        """Raises: SilenceError: what no silence may say."""
        return draft(
            kind=self.kind,
            matchers=[Matcher(label=m.label, op=m.op, value=m.value) for m in self.matchers],
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            recurrence=self.recurrence.value() if self.recurrence else None,
            comment=self.comment,
            actor=actor,
            now=now,
        )


class Extension(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ends_at: AwareDatetime


class SilenceOut(Answer):
    """``until``: when what holds now stops to; ``next_start``: when it begins to hold again."""

    id: int
    name: str
    kind: SilenceKind
    state: SilenceState
    matchers: list[MatcherBody]
    starts_at: datetime
    ends_at: datetime
    until: datetime | None
    next_start: datetime | None
    recurrence: RecurrenceBody | None
    comment: str
    created_by: str
    created_at: datetime
    ended_at: datetime | None
    ended_by: str
    matched: int
    last_matched_at: datetime | None


class SilencedOut(Answer):
    """An incident that a silence matches, with the labels that were compared."""

    id: int
    state: str
    title: str
    detected_at: datetime
    labels: dict[str, str]


class PreviewOut(Answer):
    """``open`` and ``week`` (over, of the last 7 days) hold the newest of so many."""

    text: str
    open_count: int
    open: list[SilencedOut]
    week_count: int
    week: list[SilencedOut]


class MadeOut(Answer):
    """``silence`` is null where only a preview was asked for."""

    silence: SilenceOut | None
    preview: PreviewOut


def silence_out(silence: Silence, now: datetime) -> SilenceOut:
    again = silence.recurrence
    return SilenceOut(
        id=silence.id,
        name=silence.name,
        kind=silence.kind,
        state=silence.state(now),
        matchers=[MatcherBody(label=m.label, op=m.op, value=m.value) for m in silence.matchers],
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        until=silence.until(now),
        next_start=silence.next_start(now),
        recurrence=RecurrenceBody.model_validate(again.to_json()) if again else None,
        comment=silence.comment,
        created_by=silence.created_by,
        created_at=silence.created_at,
        ended_at=silence.ended_at,
        ended_by=silence.ended_by,
        matched=silence.matched,
        last_matched_at=silence.last_matched_at,
    )


def preview_out(found: Preview, kind: SilenceKind) -> PreviewOut:
    return PreviewOut(
        text=found.text(kind),
        open_count=len(found.now),
        open=[_silenced(each) for each in found.now[:MOST_SHOWN]],
        week_count=len(found.week),
        week=[_silenced(each) for each in found.week[:MOST_SHOWN]],
    )


def _silenced(incident: Incident) -> SilencedOut:
    return SilencedOut(
        id=incident.id,
        state=incident.state.value,
        title=incident.title,
        detected_at=incident.detected_at,
        labels=labels_of(incident),
    )
