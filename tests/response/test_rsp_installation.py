"""Two services that page the same people keep their incidents apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import small_fleet as fleet
from rsp_stage import Stage

from alerts.notifiers.pagerduty import PagerDutyNotifier
from alerts.types import Message, MessageEvent
from monitor.services import open_services
from monitor.standins.app import StandIns
from monitor.store import installation
from monitor.store.tables import StateRow
from vigil.clock import ManualClock


def opened(url: str, name: str) -> Any:
    return open_services(fleet.settings(url), clock=ManualClock(fleet.NOON), new_id=lambda: name)


def test_a_database_gets_its_name_once(database_url: str) -> None:
    for name in ("first", "second"):
        services = opened(database_url, name)
        with services.sessions() as session:
            assert installation.of(session) == "first"
        services.close()


def test_a_database_that_no_service_opened_has_no_name(stage: Stage) -> None:
    with stage.services.sessions.begin() as session:
        session.delete(session.get_one(StateRow, "installation"))
    with stage.services.sessions() as session:
        assert installation.of(session) == ""


def test_the_same_incident_of_two_installations_is_two_alerts_at_pagerduty(tmp_path: Path) -> None:
    keys, names = [], []
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        stage = Stage(f"sqlite:///{tmp_path}/{name}/vigil.db", tmp_path / name)
        with stage.services.sessions.begin() as session:
            session.get_one(StateRow, "installation").blob = name.encode()
        incident = stage.incident()
        for event in (MessageEvent.TRIGGER, MessageEvent.RESOLVE):
            stage.tell(incident, event)
        assert incident.id == 1
        told = [Message.from_json(row.message) for row in stage.messages()]
        with StandIns() as standins:
            pager = PagerDutyNotifier(
                "pager", routing_key="k" * 32, url=f"{standins.url}/pagerduty"
            )
            for each in told:
                pager.deliver(each, thread={"dedup_key": "known"})
            pager.close()
            keys.append({alert["dedup_key"] for alert in standins.sent()["pagerduty"]})
        names.append({each.id for each in told})
        stage.services.close()
    assert keys == [{"vigil-north-incident-1"}, {"vigil-south-incident-1"}]
    assert not names[0] & names[1]
