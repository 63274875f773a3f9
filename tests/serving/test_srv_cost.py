"""What 1000 inferences cost."""

from __future__ import annotations

import pytest
import small_fleet as fleet
from sqlalchemy import update
from srv_scene import FAMILY, Scene, at
from web_client import TestClient

from monitor.cli.queries import fleet as fleet_rows
from monitor.serving.cost import Cost, cost_per_thousand, cost_since
from monitor.settings.schema import Settings, WatchedModel
from monitor.store.tables import WindowRow
from monitor.web.app import create_app

PRICED = WatchedModel(name=FAMILY[0], deployment=FAMILY[1], price_per_hour=3.6)


def cost(scene: Scene, watched: WatchedModel = PRICED) -> float | None:
    with scene.services.sessions() as session:
        return cost_per_thousand(session, watched, now=scene.clock.now(), window_s=1.0)


def test_replicas_and_idle_ones_cost_and_versions_of_one_share_its_time(scene: Scene):
    """3.6 an hour is 0.001 a second: 2 + 1 seconds of two replicas, 60 inferences."""
    scene.windows(1, first=-3, last=-2, records=10, version="v1")
    scene.windows(1, first=-3, last=-2, records=20, version="v2")
    scene.windows(1, first=-2, records=0, source="host-2")
    assert cost(scene) == pytest.approx(0.003 / 60 * 1000)


def test_only_the_last_windows_of_live_traffic_count(lone_scene: Scene):
    lone_scene.windows(1, first=-3, records=10)
    lone_scene.windows(1, first=-40, records=1000)
    lone_scene.windows(1, first=-4, records=5000, source="history")
    with lone_scene.services.sessions.begin() as session:
        session.execute(
            update(WindowRow).where(WindowRow.records == 5000).values(origin="backfill")
        )
    assert cost(lone_scene) == pytest.approx(0.001 / 10 * 1000)


def test_what_a_stretch_of_time_cost_in_all(lone_scene: Scene):
    """Idle replicas cost too, and have no price of a thousand."""
    lone_scene.windows(1, first=-30, last=-21, records=10)
    lone_scene.windows(1, first=-10, last=-1, records=0)
    lone_scene.windows(1, first=-10, last=-1, records=0, source="host-2")

    def since(seconds: float) -> Cost | None:
        with lone_scene.services.sessions() as session:
            return cost_since(session, PRICED, at(seconds))

    found = since(-30)
    assert found is not None
    assert (found.records, found.per_thousand) == (100, pytest.approx(0.3))
    assert (found.total, found.hours * 3600.0) == (pytest.approx(0.03), pytest.approx(30.0))
    idle = since(-10)
    assert idle is not None
    assert (idle.total, idle.per_thousand) == (pytest.approx(0.02), None)
    assert since(0) is None


def test_models_list_shows_the_days_cost_where_there_is_a_price(lone_scene: Scene):
    lone_scene.windows(1, first=-3, records=10)

    def listed(*watched: WatchedModel) -> list[object]:
        with lone_scene.services.sessions() as session:
            rows = fleet_rows(session, Settings(models=watched), lone_scene.clock.now())
        return [row.get("cost_per_1000", "no column") for row in rows]

    assert listed(PRICED.model_copy(update={"price_per_hour": None})) == ["no column"]
    assert listed(PRICED, WatchedModel(name="other")) == [0.1, None]


def test_without_a_price_or_traffic_it_is_not_known(lone_scene: Scene):
    assert cost(lone_scene) is None
    lone_scene.windows(1, first=-3, records=0)
    assert cost(lone_scene) is None
    lone_scene.windows(1, first=-2, records=10)
    assert cost(lone_scene, PRICED.model_copy(update={"price_per_hour": None})) is None


def test_the_service_shows_it_beside_its_metrics(sqlite_url: str, tmp_path):
    scene = Scene(sqlite_url, tmp_path)

    scene.services.close()
    services = fleet.opened(sqlite_url, scene.clock, watched={"price_per_hour": 3.6})
    try:
        scene.services = services
        scene.windows(1, first=-3, last=-2, records=10)
        client = TestClient(
            create_app(services), base_url="http://127.0.0.1:8080", client=("127.0.0.1", 5000)
        )
        page = client.get("/metrics").text
    finally:
        services.close()

    labels = f'deployment="{FAMILY[1]}",model="{FAMILY[0]}"'
    assert f"vigil_cost_per_thousand{{{labels}}} 0.1" in page
