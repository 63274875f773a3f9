"""A canary that is over announces no share any more."""

from __future__ import annotations

from datetime import timedelta

import small_fleet as fleet
from srv_scene import Scene

from monitor.canary import manage
from monitor.cli.versions import _summary
from monitor.response.releases import announce
from monitor.serving.versions import ledger


def begun(scene: Scene) -> int:
    """A canary of v2 at a tenth, beside v1."""
    with scene.services.sessions.begin() as session:
        return manage.start(
            session,
            scene.services.settings,
            model=fleet.MODEL,
            deployment=fleet.DEPLOYMENT,
            candidate="v2",
            share=0.1,
            actor="ci",
            at=scene.clock.now(),
        ).id


def ended(scene: Scene, number: int) -> None:
    with scene.services.sessions.begin() as session:
        manage.end(session, number, actor="ann", at=scene.clock.now())


def traffic(scene: Scene, first: int, last: int, **records: int) -> None:
    for version, count in records.items():
        scene.windows(last, first=first, last=last, version=version, records=count, source=version)


def scene_with_canary(scene: Scene) -> int:
    scene.release("v1", -100)
    number = begun(scene)
    traffic(scene, 0, 20, v1=27, v2=3)
    assert scene.looked(20) == []
    return number


def test_neither_its_end_nor_what_follows_is_a_mismatch(lone_scene: Scene) -> None:
    """It goes, or it gets everything: both may follow, and nobody said which."""
    number = scene_with_canary(lone_scene)
    traffic(lone_scene, 21, 40, v1=30)
    assert lone_scene.looked(40) == []  # a tenth less is within tolerance
    ended(lone_scene, number)
    traffic(lone_scene, 41, 60, v2=30)
    assert lone_scene.looked(60) == []
    traffic(lone_scene, 61, 80, v1=30)
    assert lone_scene.looked(80) == []


def test_while_it_runs_its_share_counts(lone_scene: Scene) -> None:
    scene_with_canary(lone_scene)
    traffic(lone_scene, 41, 60, v2=30)
    assert len(lone_scene.looked(60)) == 2


def test_a_third_version_is_still_unintended(lone_scene: Scene) -> None:
    number = scene_with_canary(lone_scene)
    ended(lone_scene, number)
    traffic(lone_scene, 41, 60, v1=15, v9=15)
    (text,) = lone_scene.looked(60)
    said = f"was announced by ci for canary {number}, which is over"
    assert text == f"v9 serves 50% of the traffic, but v2 or v1 {said}"


def test_who_announces_a_share_afterwards_is_held_to_it(lone_scene: Scene) -> None:
    number = scene_with_canary(lone_scene)
    ended(lone_scene, number)
    with lone_scene.services.sessions.begin() as session:
        announce(
            session,
            lone_scene.services.settings,
            model=fleet.MODEL,
            deployment=fleet.DEPLOYMENT,
            version="v2",
            actor="ci",
            at=lone_scene.clock.now() + timedelta(seconds=1),
            share=1.0,
        )
    traffic(lone_scene, 41, 60, v1=30)
    assert "v2 should serve 100% of the traffic, and serves none of it" in lone_scene.looked(60)


def test_the_versions_are_shown_without_a_share(lone_scene: Scene) -> None:
    number = scene_with_canary(lone_scene)
    ended(lone_scene, number)
    with lone_scene.services.sessions() as session:
        found = ledger(
            session,
            lone_scene.services.settings,
            fleet.MODEL,
            fleet.DEPLOYMENT,
            at=lone_scene.clock.now(),
        )
    assert found.to_json()["announced"]["any_share"] is True
    lines = "\n".join(_summary(found))
    said = f"it was announced by ci for canary {number}, which is over"
    assert f"announced  v2 or v1: {said}" in lines
