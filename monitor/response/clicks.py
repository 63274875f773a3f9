"""What a press of a button in a chat does: the same as the console's, if it still applies.

One short transaction. A press that no longer applies changes nothing and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from alerts.labels import labels_of
from alerts.notifiers.slack_buttons import Press, Verb
from alerts.silences.silence import find
from alerts.silences.words import at_minute
from alerts.types import Incident
from monitor.response import in_context, people, record, silences
from monitor.response.people import Teller
from monitor.response.silences_active import active
from monitor.store import installation
from monitor.store.tables import ActionRow, IncidentRow
from vigil.errors import NotFoundError

SILENCE_FOR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clicked:
    """``text`` is for the presser alone; empty where the message itself will show it."""

    changed: bool
    text: str = ""


def press(
    session: Session,
    press: Press,
    *,
    actor: str,
    at: datetime,
    announcer: Teller | None,
) -> Clicked:
    """Do what the button asks for.

    Raises:
        ConflictError: someone changed the incident at the same moment; ask again.
    """
    if press.installation != installation.of(session):
        return _refused("this message is not from this vigil")
    try:
        incident = record.get(session, press.incident_id)
    except NotFoundError:
        return _refused(f"incident {press.incident_id} is not kept any more")
    if not incident.state.is_open:
        return _refused(f"incident {incident.id} is resolved already")
    if press.verb is Verb.ACKNOWLEDGE:
        after = people.acknowledge(session, incident.id, actor=actor, at=at, announcer=announcer)
        if after.version == incident.version:
            return _refused(f"someone has incident {incident.id} already")
        return Clicked(changed=True)
    if press.verb is Verb.RESOLVE:
        people.resolve(session, incident.id, actor=actor, at=at, announcer=announcer)
        return Clicked(changed=True)
    if press.verb is Verb.SILENCE:
        return _silence(session, incident, actor, at)
    return _approve(session, press, actor=actor, at=at, announcer=announcer)


def _silence(session: Session, incident: Incident, actor: str, at: datetime) -> Clicked:
    session.get(IncidentRow, incident.id, with_for_update=True)  # two at once: one waits
    known = find(active(session, at), labels_of(incident), at)
    if known is not None:
        return _refused(f"it is silenced already, as {known.name} until {at_minute(known.over_at)}")
    name = silences.silence_like(session, incident, actor, at, lasts=SILENCE_FOR)
    text = f"Silenced as {name} until {at_minute(at + SILENCE_FOR)}."
    return Clicked(changed=True, text=text)


def _approve(
    session: Session, press: Press, *, actor: str, at: datetime, announcer: Teller | None
) -> Clicked:
    session.get(ActionRow, press.action_id, with_for_update=True)  # two at once: one waits
    waiting = in_context.waiting_for_yes(session, press.incident_id)
    if waiting is None or waiting.action_id != press.action_id:
        return _refused("no rollback of this incident waits for a yes any more")
    if waiting.plan_hash != press.plan_hash:
        return _refused("its plan is another one by now: read it again in the newest message")
    people.approve(
        session,
        press.action_id,
        plan_hash=press.plan_hash,
        actor=actor,
        at=at,
        announcer=announcer,
    )
    return Clicked(changed=True)


def _refused(why: str) -> Clicked:
    return Clicked(changed=False, text=f"Nothing was changed: {why}.")
