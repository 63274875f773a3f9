"""A release is announced; during a release freeze that is said, not refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from alerts.types import TimelineEntry
from monitor.response import record, release_news
from monitor.response.silences import freeze_of
from monitor.settings.schema import Settings
from monitor.store import releases
from monitor.store.known import must_be_known
from monitor.store.tables import ReleaseRow
from vigil.arguments import name_of
from vigil.build import NO_BUILD, Build
from vigil.errors import VigilError


class ReleaseError(VigilError):
    """A release that can't be: what was expected, what came."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Announced:
    """``warning`` is empty where nothing is odd."""

    row: ReleaseRow
    warning: str = ""


def announce(
    session: Session,
    settings: Settings,
    *,
    model: str,
    deployment: str,
    version: str,
    actor: str,
    at: datetime,
    known_good: bool = False,
    note: str = "",
    share: float = 1.0,
    build: Build = NO_BUILD,
) -> Announced:
    """This version serves from ``at`` on (``monitor.store.releases``).

    What is done is done: during a freeze it is recorded all the same, with a warning, in the audit
    and in the timeline of the model's open incidents.

    Raises:
        ReleaseError: a name that no tap can send.
        NotFoundError: nobody declared or reported such a model; a mistyped name would be watched
            for nothing, and the real model's release would be missed.
    """
    for what, name in (("model", model), ("deployment", deployment), ("version", version)):
        try:
            name_of(what, name)
        except ValueError as error:
            raise ReleaseError(str(error)) from None
    watched = settings.model(model, deployment)
    must_be_known(session, model, deployment, declared=watched is not None)
    owner = watched.owner if watched else ""
    frozen_by = freeze_of(session, model=model, deployment=deployment, owner=owner, at=at)
    row = releases.announce(
        session,
        model=model,
        deployment=deployment,
        version=version,
        actor=actor,
        at=at,
        known_good=known_good,
        note=note,
        frozen_by=frozen_by,
        share=share,
        build=build,
    )
    release_news.queue(session, settings, row, at=at)
    if frozen_by is None:
        return Announced(row=row)
    text = f"{actor} released {version} during the {frozen_by}."
    for incident in record.open_incidents(session, model, deployment):
        entry = TimelineEntry(at=at, kind="released_in_freeze", actor=actor, text=text)
        record.note(session, incident.id, entry)
    return Announced(row=row, warning=f"{model}/{deployment} is under the {frozen_by}")
