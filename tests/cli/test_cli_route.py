"""``vigil route`` draws the tree and says who would be told, when, and why; it sends nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor.cli.app import app

CONFIG = """
[service]
database = "sqlite:///vigil.db"
samples = "samples"
[[models]]
name = "gate"
owner = "vision"
[receivers.chat]
kind = "console"
[receivers.boss]
kind = "console"
[escalations.night]
steps = [{ after_s = 300.0, receivers = ["boss"] }]
[[inhibit]]
by = { cause = "service_fault" }
mute = { cause = "unknown" }
equal = ["model"]
[[routes]]
match = { severity = "critical" }
receivers = ["boss"]
[[routes]]
receivers = ["chat"]
escalation = "night"
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "vigil.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    app([*words], standalone_mode=False)
    return capsys.readouterr().out


def test_show_draws_the_tree(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(capsys, "route", "show", "-c", file)
    assert said.splitlines() == [
        "1  severity critical or worse  ->  boss",
        "2  anything  ->  chat, then escalation night",
        "else  ->  console",
        "escalation night: after 5 min boss",
        "inhibit 1: cause=service_fault mutes cause=unknown, of the same model",
    ]


def test_test_says_who_when_and_why(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("route", "test", "--model", "gate", "--cause", "input_fault")
    said = run(capsys, *words, "--at", "2026-11-21 03:00", "-c", file)
    for line in (
        "at 2026-11-21 03:00 UTC",
        "not route 1: severity error is below critical",
        "owner=vision",
    ):
        assert line in said
    found = json.loads(run(capsys, *words, "--slice", "camera=c3", "--json", "-c", file))
    assert found["held_back"] is False
    assert [(one["after_s"], one["receiver"]) for one in found["told"]] == [
        (0.0, "chat"),
        (300.0, "boss"),
    ]
    assert found["labels"]["camera"] == "c3"


def test_the_lines_of_those_told_are_aligned(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(file)
    path.write_text(CONFIG.replace("300.0", "5400.0"), encoding="utf-8")
    said = run(capsys, "route", "test", "--model", "gate", "-c", file).splitlines()
    chat, boss = (next(line for line in said if f"{name} [" in line) for name in ("chat", "boss"))
    assert "after 1 h 30 min" in boss
    assert chat.index("chat [") == boss.index("boss [")
