"""Releases: announced by a pipeline, listed for people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from monitor.response.releases import announce as announce_release
from monitor.settings.fields import Name
from monitor.store import releases
from monitor.web.api.answers import ReleaseAnnouncedOut, ReleaseOut
from monitor.web.api.texts import BuildName, Note, Version
from monitor.web.auth import Operator, Reader, services_of
from vigil.build import Build

router = APIRouter(prefix="/v1/releases", tags=["releases"])


class Release(BaseModel):
    """This version serves from now on. ``known_good``: a rollback may come back to it.

    ``share`` of the traffic: the rest stays with what served before. ``preprocessing``,
    ``hardware`` and ``schema``: how it is run, as taps say it too.
    """

    model_config = ConfigDict(extra="forbid")
    model: Name
    version: Version
    deployment: Name = "production"
    known_good: bool = False
    note: Note = ""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    preprocessing: BuildName = ""
    hardware: BuildName = ""
    schema_version: Annotated[BuildName, Field(alias="schema")] = ""


@router.post("", status_code=201, responses={404: {}})
def announce(request: Request, actor: Operator, body: Release) -> ReleaseAnnouncedOut:
    """Announce a release, so that a fault that starts with it is known as its fault.

    ``warning`` says where the model is under a release freeze.
    """
    services = services_of(request)
    with services.sessions.begin() as session:
        announced = announce_release(
            session,
            services.settings,
            actor=actor.name,
            at=services.clock.now(),
            model=body.model,
            version=body.version,
            deployment=body.deployment,
            known_good=body.known_good,
            note=body.note,
            share=body.share,
            build=Build(
                preprocessing=body.preprocessing,
                hardware=body.hardware,
                schema=body.schema_version,
            ),
        )
        plain = ReleaseOut.model_validate(announced.row).model_dump()
        return ReleaseAnnouncedOut(**plain, warning=announced.warning)


@router.get("")
def list_releases(
    request: Request,
    actor: Reader,
    model: str | None = None,
    deployment: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ReleaseOut]:
    """Releases, announced and observed, newest first."""
    with services_of(request).sessions() as session:
        found = releases.rows(session, model, deployment, limit=limit)
        return [ReleaseOut.model_validate(row) for row in found]
