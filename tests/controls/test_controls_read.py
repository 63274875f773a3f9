"""What a model's process reads, whatever happens to the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from vigil.controls import FORMAT, ControlsFile


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def write(path: Path, **kinds: dict[str, str]) -> None:
    plain = {"format": FORMAT, "controls": {"reader": {"production": kinds}}, "done": []}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(plain))
    os.replace(fresh, path)


def test_defaults_hold_where_nothing_is_set(tmp_path: Path) -> None:
    controls = ControlsFile(tmp_path / "none.json", model="reader")
    assert controls.threshold("accept", default=0.7) == 0.7
    assert controls.share("v2", default=0.2) == 0.2
    assert controls.flag("retry", default=True) is True
    assert controls.killed is False
    assert "none.json" in controls.problem


def test_values_are_read_and_a_change_is_seen_within_its_time(tmp_path: Path) -> None:
    path, clock = tmp_path / "controls.json", Seconds()
    write(path, threshold={"accept": "0.8"}, flag={"retry": "on"}, kill={"": "off"})
    controls = ControlsFile(path, model="reader", now_s=clock)
    assert (controls.threshold("accept", 0.5), controls.flag("retry"), controls.killed) == (
        0.8,
        True,
        False,
    )
    write(path, kill={"": "on"})
    clock.now = 0.5
    assert controls.killed is False
    clock.now = 1.5
    assert controls.killed is True
    assert controls.threshold("accept", 0.5) == 0.5


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 9}', '{"format": 1, "controls": 3}'])
def test_a_damaged_file_leaves_what_was_read_last(tmp_path: Path, damage: str) -> None:
    path, clock = tmp_path / "controls.json", Seconds()
    write(path, kill={"": "on"})
    controls = ControlsFile(path, model="reader", now_s=clock)
    assert controls.killed
    path.write_text(damage)
    clock.now = 2.0
    assert controls.killed
    assert controls.problem


def test_values_that_are_no_numbers_leave_the_default(tmp_path: Path) -> None:
    path = tmp_path / "controls.json"
    write(path, threshold={"a": "high", "b": "nan"}, share={"v2": "7"}, flag={"f": "perhaps"})
    controls = ControlsFile(path, model="reader")
    assert (controls.threshold("a", 0.3), controls.threshold("b", 0.4)) == (0.3, 0.4)
    assert controls.share("v2", 0.1) == 1.0
    assert controls.flag("f", default=True) is True


def test_another_models_controls_are_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "controls.json"
    write(path, kill={"": "on"})
    assert not ControlsFile(path, model="sorter").killed
    assert not ControlsFile(path, model="reader", deployment="lab").killed
