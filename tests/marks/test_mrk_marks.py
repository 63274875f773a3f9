"""Releases, rollbacks and incidents are drawn once each, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import small_fleet as fleet
from incident_rows import incident_row
from mrk_grafana import TOKEN, Annotations
from sqlalchemy import select
from stub_receivers.server import ReceiverServer, Trouble

from monitor.marks.grafana import GrafanaAnnotations
from monitor.marks.job import CLAIM_S, Marks, annotations_of
from monitor.services import Services
from monitor.settings.load import parse_settings
from monitor.settings.schema import Grafana, Settings
from monitor.store import installation
from monitor.store.tables import IncidentRow, MarkRow, ReleaseRow
from vigil.clock import ManualClock
from vigil.errors import ConfigError, ConflictError


class Dead(BaseException):
    """The process dies here."""


class Kit:
    """A service that draws on a Grafana."""

    def __init__(self, database: str, url: str, stub: Annotations, server: ReceiverServer) -> None:
        self.clock = ManualClock(fleet.NOON)
        self.services: Services = fleet.opened(database, self.clock)
        self.url, self.stub, self.server = url, stub, server
        self.drawings: list[GrafanaAnnotations] = []
        self.marks = self.another()

    def another(self) -> Marks:
        self.drawings.append(GrafanaAnnotations(self.url, TOKEN, timeout_s=0.5))
        return Marks(self.services, self.drawings[-1])

    def close(self) -> None:
        for one in self.drawings:
            one.close()
        self.services.close()

    def release(self, version: str = "v2", *, origin: str = "announced", **values: object) -> None:
        with self.services.sessions.begin() as session:
            session.add(
                ReleaseRow(
                    model=fleet.MODEL,
                    deployment=fleet.DEPLOYMENT,
                    version=version,
                    previous="v1",
                    started_at=fleet.NOON,
                    origin=origin,
                    actor="ci",
                    **values,
                )
            )

    def incident(self) -> int:
        with self.services.sessions.begin() as session:
            row = incident_row(fleet.NOON, title="digits v2 is worse")
            session.add(row)
            session.flush()
            return row.id

    def run(self, seconds: float = 0.0) -> int:
        self.clock.advance(seconds)
        return self.marks.run_due()

    def row(self) -> MarkRow:
        with self.services.sessions() as session:
            return session.scalars(select(MarkRow)).one()


@pytest.fixture
def kit(database_url: str) -> Iterator[Kit]:
    stub = Annotations()
    server = ReceiverServer(stub)
    with server.running() as url:
        made = Kit(database_url, url, stub, server)
        yield made
        made.close()


def texts(kit: Kit) -> list[str]:
    return [one["text"] for one in kit.stub.drawn.values()]


def test_a_release_and_a_rollback_are_drawn_once(kit: Kit) -> None:
    kit.release(share=0.1)
    kit.release("v1", origin="rollback")
    assert kit.run() == 2
    assert kit.run(100) == 0
    assert sorted(texts(kit)) == [
        "digits in production: release v2 after v1, 10% of the traffic (announced, ci)",
        "digits in production: rolled back to v1 after v1 (rollback, ci)",
    ]
    tags = {tag for one in kit.stub.drawn.values() for tag in one["tags"]}
    with kit.services.sessions() as session:
        named = installation.of(session)
    assert {"vigil", "release", "rollback", "model:digits", f"vigil-{named}-release-1"} <= tags


def test_an_incident_is_a_region_that_its_end_closes(kit: Kit) -> None:
    number = kit.incident()
    kit.run()
    (drawn,) = kit.stub.drawn.values()
    assert drawn["timeEnd"] == drawn["time"]
    assert f"/incidents/{number}" in drawn["text"]
    with kit.services.sessions.begin() as session:
        session.get_one(IncidentRow, number).resolved_at = fleet.NOON + timedelta(seconds=600)
    assert kit.run(700) == 1
    (drawn,) = kit.stub.drawn.values()
    assert drawn["timeEnd"] - int(fleet.NOON.timestamp() * 1000) == 600_000
    assert kit.run(700) == 0


def test_what_lies_long_back_is_not_drawn(kit: Kit) -> None:
    kit.release()
    kit.clock.advance(8 * 86_400)
    assert kit.run() == 0


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(how="drop", does=True),
        Trouble(how="reset", does=True),
        Trouble(how="hang", does=True),
        Trouble(status=500, does=True),
        Trouble(status=200, body=b"<html>log in</html>", does=True),
        Trouble(status=429, headers={"Retry-After": "30"}),
        Trouble(status=503),
        Trouble(status=401, body=b'{"message": "expired"}'),
    ],
    ids=["drop", "reset", "hang", "500", "a page", "429", "503", "401"],
)
def test_after_trouble_it_is_there_once(kit: Kit, trouble: Trouble) -> None:
    """What may have been drawn is looked for by its tag before it is drawn again."""
    kit.release()
    kit.server.then(trouble)
    assert kit.run() == 0
    assert kit.row().problem != ""
    assert TOKEN not in kit.row().problem
    for _ in range(5):
        kit.run(31)
    assert len(kit.stub.drawn) == 1
    assert kit.row().state == "sent"


def test_what_grafana_does_not_take_is_given_up(kit: Kit) -> None:
    kit.release()
    kit.server.then(Trouble(status=400, body=b'{"message": "bad time"}'))
    kit.run()
    assert (kit.row().state, "bad time" in kit.row().problem) == ("dead", True)
    kit.run(3600)
    assert kit.stub.drawn == {}


def test_what_someone_deleted_there_stays_deleted(kit: Kit) -> None:
    number = kit.incident()
    kit.run()
    kit.stub.drawn.clear()
    with kit.services.sessions.begin() as session:
        session.get_one(IncidentRow, number).resolved_at = fleet.NOON + timedelta(seconds=60)
    kit.run(70)
    kit.run(3600)
    assert (kit.stub.drawn, kit.row().state) == ({}, "dead")


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_process_killed_at_the_call_draws_it_once(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    kit.release()
    make = GrafanaAnnotations.make

    def die(self: GrafanaAnnotations, mark: object) -> str:
        if where == "after":
            make(self, mark)  # type: ignore[arg-type]
        raise Dead

    with monkeypatch.context() as patch:
        patch.setattr(GrafanaAnnotations, "make", die)
        with pytest.raises(Dead):
            kit.run()
    assert kit.run(1) == 0  # the claim of the one who died holds
    kit.run(CLAIM_S)
    assert len(kit.stub.drawn) == 1
    assert kit.row().state == "sent"


def test_two_processes_draw_it_once(kit: Kit) -> None:
    kit.release()
    other = kit.another()
    kit.marks._due()
    assert kit.run() + other.run_due() == 1
    assert len(kit.stub.drawn) == 1


def test_a_change_on_the_way_is_drawn_too(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The incident ends while its beginning is being drawn."""
    number = kit.incident()
    make = GrafanaAnnotations.make

    def slowly(self: GrafanaAnnotations, mark: object) -> str:
        made = make(self, mark)  # type: ignore[arg-type]
        with kit.services.sessions.begin() as session:
            end = fleet.NOON + timedelta(seconds=60)
            session.get_one(IncidentRow, number).resolved_at = end
            session.scalars(select(MarkRow)).one().until = end
        return made

    with monkeypatch.context() as patch:
        patch.setattr(GrafanaAnnotations, "make", slowly)
        kit.run()
    assert kit.row().state == "waiting"
    kit.run(CLAIM_S + 1)
    (drawn,) = kit.stub.drawn.values()
    assert drawn["timeEnd"] > drawn["time"]


def test_a_process_that_no_longer_leads_draws_nothing(kit: Kit) -> None:
    def refuse(_: object) -> None:
        raise ConflictError("another leads")

    kit.release()
    with pytest.raises(ConflictError):
        kit.marks.run_due(refuse)
    assert kit.stub.drawn == {}


def test_without_the_setting_nothing_is_drawn_and_with_it_a_token_is_needed() -> None:
    assert annotations_of(Settings()) is None
    with pytest.raises(ConfigError, match="a token, for annotations"):
        annotations_of(Settings(grafana=Grafana(annotations=True)))
    with pytest.raises(ConfigError, match="where the token is, for annotations"):
        parse_settings("[grafana]\nannotations = true\n", Path("vigil.toml"))
