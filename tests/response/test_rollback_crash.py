"""A rollback is carried out once and told, wherever its process dies: never twice, never silent."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rollback_life
import small_fleet as fleet
from crash_story import Dead
from rsp_rollbacks import approve
from rsp_stage import Stage
from sqlalchemy import select

from alerts.actions.plan import RollbackPlan
from monitor.store.database import Sessions, open_engine
from monitor.store.tables import (
    ActionRow,
    IncidentRow,
    OutboxRow,
    ReleaseRow,
    StateRow,
    TimelineRow,
)

HERE = Path(__file__).parent


class World:
    """A rollback that a person approved, and one life after the other."""

    def __init__(self, database: str, folder: Path) -> None:
        stage = Stage(database, folder)
        stage.open(automatic=False, approval_expires_s=86_400.0)
        _, action = stage.bad_release()
        approve(stage, action)
        self.database, self.registry = database, stage.registry
        stage.services.close()
        self.lives = 0

    def arguments(self, kill_at: int | None) -> dict[str, Any]:
        self.lives += 1
        return {
            "database": self.database,
            "registry": str(self.registry.path),
            "start": (fleet.NOON + timedelta(seconds=60 * self.lives)).isoformat(),
            "kill_at": kill_at,
        }

    def live(self, kill_at: int | None) -> bool:
        """One life in this process; whether it died."""
        try:
            rollback_life.play(**self.arguments(kill_at), real=False)
        except Dead:
            return True
        return False

    def check(self) -> None:
        """All is as if nobody had died."""
        served = [one.version for one in self.registry.history(*rollback_life.FAMILY)]
        assert served == ["v1", "v2", "v1"]
        engine = open_engine(self.database)
        with Sessions(engine)() as session:
            (action,) = session.scalars(select(ActionRow))
            assert action.state == "verifying"
            origins = session.scalars(select(ReleaseRow.origin)).all()
            assert origins.count("rollback") == 1
            kinds = session.scalars(select(TimelineRow.kind)).all()
            assert (kinds.count("mitigating"), kinds.count("mitigated")) == (1, 1)
            assert session.scalars(select(IncidentRow.state)).all() == ["monitoring"]
            told = [row.message.get("change", "") for row in session.scalars(select(OutboxRow))]
            assert sum("Rolled back" in one for one in told) == 1
        engine.dispose()


@pytest.fixture(scope="module")
def boundaries(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many there are in a life that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    world = made(sqlite_template, folder)
    passed = rollback_life.play(**world.arguments(None), real=False).passed
    world.check()
    return passed


def made(template: Path, folder: Path) -> World:
    shutil.copyfile(template, folder / "vigil.db")
    return World(f"sqlite:///{folder / 'vigil.db'}", folder)


def test_a_death_at_every_single_step_changes_nothing(
    sqlite_template: Path, tmp_path: Path, boundaries: int
) -> None:
    assert boundaries >= 8
    for kill_at in range(1, boundaries + 1):
        folder = tmp_path / str(kill_at)
        folder.mkdir()
        world = made(sqlite_template, folder)
        assert world.live(kill_at)
        assert not world.live(None)
        world.check()


@pytest.mark.parametrize("seed", range(3))
def test_many_deaths_in_a_row_change_nothing(
    sqlite_template: Path, tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng([41, seed])
    world = made(sqlite_template, tmp_path)
    for _ in range(8):
        if not world.live(int(rng.integers(1, 7))):
            break
    world.live(None)
    world.check()


@pytest.fixture(scope="module")
def kill() -> Iterator[Any]:
    """Lets a process of its own play one life, and tells how it ended."""
    root = HERE.parents[1]
    process = subprocess.Popen(
        [sys.executable, str(HERE / "rollback_life.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{HERE}:{HERE.parent}"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    ours, theirs = process.stdin, process.stdout

    def life(arguments: dict[str, Any]) -> dict[str, int]:
        ours.write(json.dumps(arguments) + "\n")
        ours.flush()
        return dict(json.loads(theirs.readline()))

    yield life
    ours.close()
    theirs.close()
    assert process.wait(30) == 0


@pytest.mark.parametrize("seed", range(4))
def test_processes_killed_with_signal_9_carry_it_out_once(
    sqlite_template: Path, tmp_path: Path, kill: Any, boundaries: int, seed: int
) -> None:
    rng = np.random.default_rng([43, seed])
    world = made(sqlite_template, tmp_path)
    ended = kill(world.arguments(int(rng.integers(1, boundaries + 1))))
    assert os.WTERMSIG(ended["status"]) == signal.SIGKILL
    assert kill(world.arguments(None))["status"] == 0
    world.check()


def test_two_services_that_decide_at_once_carry_it_out_once(
    database_url: str, tmp_path: Path
) -> None:
    world = World(database_url, tmp_path)
    start = threading.Barrier(2)
    errors: list[BaseException] = []

    def live(arguments: dict[str, Any]) -> None:
        start.wait(30.0)
        try:
            rollback_life.play(**arguments, real=False)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=live, args=(world.arguments(None),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert errors == []
    world.check()


def test_two_installations_on_one_target_do_not_take_the_other_ones_plan_for_theirs(
    sqlite_template: Path, tmp_path: Path
) -> None:
    """Both have an incident 1 of the same release; one rolls back first, the other finds it done by
    someone else, and says so."""
    folders = [tmp_path / name for name in ("one", "two")]
    worlds = []
    for number, folder in enumerate(folders):
        folder.mkdir()
        worlds.append(made(sqlite_template, folder))
        name_it(worlds[-1].database, f"installation-{number}")
    shutil.copyfile(worlds[0].registry.path, tmp_path / "shared.json")
    for world in worlds:
        world.registry.path = tmp_path / "shared.json"
        world.live(None)
    plans = [action_of(world.database) for world in worlds]
    assert [row.state for row in plans] == ["verifying", "refused"]
    assert "v1 serves already" in plans[1].result["text"]
    served = [one.version for one in worlds[0].registry.history(*rollback_life.FAMILY)]
    assert served == ["v1", "v2", "v1"]


def name_it(database: str, name: str) -> None:
    """Another database would have been given another name; and its plan with it."""
    engine = open_engine(database)
    with Sessions(engine).begin() as session:
        session.get_one(StateRow, "installation").blob = name.encode()
        (row,) = session.scalars(select(ActionRow))
        plan = RollbackPlan.from_json({**row.plan, "installation": name})
        row.plan, row.plan_hash = plan.to_json(), plan.hash
        row.decision = {
            **row.decision,
            "approval": {**row.decision["approval"], "plan_hash": plan.hash},
        }
    engine.dispose()


def action_of(database: str) -> ActionRow:
    engine = open_engine(database)
    with Sessions(engine)() as session:
        (row,) = session.scalars(select(ActionRow))
    engine.dispose()
    return row
