"""The registry is asked, differences are noted, and what lasts becomes an incident."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
from small_fleet import Notes
from sqlalchemy import select
from srv_scene import FAMILY, Scene, at

from alerts.actions.targets.registry import LocalRegistry
from alerts.types import AlertKind, Incident
from monitor.response.announce import Announcer
from monitor.serving.look import ServingLook
from monitor.store.tables import AuditRow, IncidentRow
from monitor.watch.job_log import JobLog
from monitor.watch.watch import CALM_LOOKS, LOOKS, Watch
from runbooks.library import load
from vigil.errors import ConflictError


def served(scene: Scene, first: int, last: int, version: str) -> None:
    scene.windows(last, first=first, last=last, version=version)


def test_a_promotion_by_hand_is_read_and_audited(scene: Scene) -> None:
    scene.registry.promote(*FAMILY, "v1", actor="ci")
    served(scene, 0, 20, "v1")
    assert scene.looked(20) == []
    assert (scene.reading().version, scene.reading().changed_at) == ("v1", at(20))
    scene.registry.promote(*FAMILY, "v2", actor="carol")
    served(scene, 21, 50, "v1")
    assert "v2 is what the registry says" in " ".join(scene.looked(50))
    with scene.services.sessions() as session:
        (row,) = session.scalars(select(AuditRow).where(AuditRow.what == "registry changed"))
    assert (row.data["before"], row.data["after"]) == ("v1", "v2")


def test_a_difference_keeps_its_age_until_it_is_gone(scene: Scene) -> None:
    scene.release("v2", -10, previous="v1")
    served(scene, 0, 90, "v1")
    scene.looked(30)
    scene.looked(60)
    since = {one["since"] for one in scene.reading().mismatches}
    assert since == {at(30).isoformat()}
    served(scene, 91, 120, "v2")
    assert scene.looked(121) == []


def test_a_registry_that_cannot_be_read_says_so_and_hides_no_other(lone_scene: Scene) -> None:
    lone_scene.registry.promote(*FAMILY, "v1", actor="ci")
    lone_scene.looked(1)
    lone_scene.registry.path.write_text("{ torn")
    other = ("labels", "production")
    healthy = lone_scene.registry.__class__(
        lone_scene.registry.path.with_name("other.json"), clock=lone_scene.clock
    )
    healthy.promote(*other, "w1", actor="ci")
    lone_scene.look = ServingLook(
        lone_scene.services, {FAMILY: lone_scene.registry, other: healthy}
    )
    lone_scene.looked(31)
    reading = lone_scene.reading()
    assert (reading.version, reading.changed_at) == ("v1", at(1))
    assert "RegistryError" in reading.problem
    assert "torn" not in reading.problem


def test_a_registry_that_is_away_has_changed_nothing(lone_scene: Scene) -> None:
    """What it said before its absence stays as old as it was: it overrules no later release."""

    class Away(LocalRegistry):
        def serving(self, model: str, deployment: str) -> str | None:
            return None

    lone_scene.registry.promote(*FAMILY, "v1", actor="ci")
    lone_scene.looked(1)
    lone_scene.release("v2", 10, previous="v1")
    served(lone_scene, 0, 90, "v2")
    before = lone_scene.looked(30)
    assert len(before) == 1
    there, path = lone_scene.look, lone_scene.registry.path
    lone_scene.look = ServingLook(lone_scene.services, {FAMILY: Away(path)})
    assert lone_scene.looked(60) == before
    assert "does not say" in lone_scene.reading().problem
    lone_scene.look = there
    assert lone_scene.looked(90) == before
    reading = lone_scene.reading()
    assert (reading.version, reading.changed_at, reading.problem) == ("v1", at(1), "")
    assert {one["since"] for one in reading.mismatches} == {at(30).isoformat()}
    with lone_scene.services.sessions() as session:
        audited = session.scalars(select(AuditRow.what)).all()
    assert "registry changed" not in audited


def test_a_process_that_no_longer_leads_writes_nothing(lone_scene: Scene) -> None:
    def refuse(_: Any) -> None:
        raise ConflictError("another leads")

    lone_scene.registry.promote(*FAMILY, "v1", actor="ci")
    lone_scene.looked(1)
    lone_scene.registry.promote(*FAMILY, "v2", actor="ci")
    with pytest.raises(ConflictError):
        lone_scene.look.run_due(refuse)
    assert lone_scene.reading().version == "v1"


def test_a_rollback_counts_as_meant(scene: Scene) -> None:
    scene.release("v2", -100)
    scene.release("v1", -10, previous="v2", origin="rollback")
    served(scene, 0, 30, "v1")
    assert scene.looked(31) == []
    served(scene, 32, 60, "v2")
    assert "v1 was put back by a rollback" in scene.looked(60)[0]


def test_of_a_canary_the_rest_belongs_to_what_served_before(scene: Scene) -> None:
    scene.release("v1", -100)
    scene.release("v2", -10, previous="v1", share=0.2)
    scene.windows(20, first=0, last=20, records=8)
    scene.windows(20, first=0, last=20, records=2, version="v2", source="host-2")
    assert scene.looked(20) == []


def watch_of(scene: Scene, notes: Notes) -> Watch:
    services = scene.services
    library = load(services.settings.runbooks)
    receivers_of: Callable[[Incident, datetime], Any] = lambda incident, moment: ("pager",)  # noqa: E731
    notifiers: Mapping[str, Any] = {"pager": notes}
    announcer = Announcer(services.settings, library)
    return Watch(services, announcer, library, notifiers, receivers_of, JobLog())


def mismatch_incidents(scene: Scene) -> list[IncidentRow]:
    kind = AlertKind.SERVING_MISMATCH.value
    with scene.services.sessions() as session:
        rows = session.scalars(select(IncidentRow).where(IncidentRow.kind == kind))
        return list(rows)


def test_what_lasts_becomes_one_incident_and_ends_with_the_agreement(
    scene: Scene, notes: Notes
) -> None:
    scene.release("v2", -10, previous="v1")
    served(scene, 0, 1000, "v1")
    watch = watch_of(scene, notes)

    def look(second: float, times: int = LOOKS) -> None:
        scene.looked(second)
        for _ in range(times):
            watch.run_due()

    look(30)
    look(900)
    assert mismatch_incidents(scene) == []  # 870 s: a release may take that long
    look(960)
    (row,) = mismatch_incidents(scene)
    assert (row.state, row.severity, row.runbook) == ("open", "warning", "serving_mismatch")
    assert row.title == "digits in production: what serves is not what was meant to"
    assert "v1 serves 100% of the traffic, but v2 was announced by ci" in row.reasons
    served(scene, 1001, 1030, "v2")
    look(1031, CALM_LOOKS)
    (row,) = mismatch_incidents(scene)
    assert row.state == "resolved"
