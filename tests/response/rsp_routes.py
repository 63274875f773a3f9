"""Settings of routes, escalations and inhibitions, and an announcer that follows them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rsp_stage import Stage
from sqlalchemy import select

from alerts.silences.matchers import Matcher, Op
from alerts.silences.silence import Silence, SilenceKind
from monitor.response import silences
from monitor.response.announce import Announcer
from monitor.response.escalations import Escalations
from monitor.response.held import HeldNotices
from monitor.settings.alerting import Escalation, EscalationStep, Route
from monitor.store.tables import EscalationRow, TimelineRow

NIGHT = Escalation(
    steps=(
        EscalationStep(after_s=300.0, receivers=("second",)),
        EscalationStep(after_s=600.0, receivers=("boss", "pager")),
    )
)
ROUTES = (Route(receivers=("pager",), escalation="night"),)


def follow(stage: Stage, **values: Any) -> None:
    """The stage's announcer and jobs follow these settings from now on."""
    made: dict[str, Any] = {"routes": ROUTES, "escalations": {"night": NIGHT}, **values}
    settings = stage.services.settings.model_copy(update=made)
    stage.announcer = Announcer(settings, stage.services.runbooks)


def escalations(stage: Stage) -> Escalations:
    return Escalations(stage.services, stage.announcer)


def held(stage: Stage) -> HeldNotices:
    return HeldNotices(stage.services, stage.announcer)


def told(stage: Stage) -> list[tuple[str, str]]:
    """Receiver and event of each message, in order."""
    return [(row.receiver, row.event) for row in stage.messages()]


def lines(stage: Stage, kind: str) -> list[str]:
    """The texts of the timelines' entries of a kind."""
    with stage.services.sessions() as session:
        rows = select(TimelineRow.text).where(TimelineRow.kind == kind)
        return list(session.scalars(rows.order_by(TimelineRow.id)))


def row_of(stage: Stage, incident_id: int = 1) -> EscalationRow:
    with stage.services.sessions() as session:
        return session.get_one(EscalationRow, incident_id)


def silence(
    stage: Stage, label: str, value: str, *, for_s: float, kind: SilenceKind = SilenceKind.SILENCE
) -> Silence:
    now: datetime = stage.clock.now()
    made = Silence(
        id=0,
        kind=kind,
        matchers=(Matcher(label=label, op=Op.EQUAL, value=value),),
        starts_at=now,
        ends_at=now + timedelta(seconds=for_s),
        comment="known",
        created_by="ann",
        created_at=now,
    )
    with stage.services.sessions.begin() as session:
        return silences.create(session, made)
