"""``vigil demo`` and ``vigil serve``: what the commands pass on."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest


def test_the_demo_ends_with_the_storys_verdict(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Options arrive as given, and a story that went wrong is a non-zero exit."""
    asked: list[dict[str, Any]] = []

    def run_demo(**options: Any) -> int:
        asked.append(options)
        return 3

    fake = types.ModuleType("monitor.demo.run")
    fake.__dict__["run_demo"] = run_demo
    monkeypatch.setitem(sys.modules, "monitor.demo.run", fake)
    file = tmp_path / "story.json"
    run("demo", "--seed", "7", "--exit", "--json", str(file), code=3)
    assert asked == [
        {
            "seed": 7,
            "exit_when_done": True,
            "json_path": file,
            "port": 0,
            "folder": None,
            "chaos": False,
        }
    ]


def test_the_demo_without_its_libraries_names_the_extra(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without torch the command says what to install."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("monitor.demo")]:
        monkeypatch.delitem(sys.modules, name)
    assert "vigil-cv[demo]" in run("demo", "--exit", code=2).stderr


def test_a_service_is_not_started_on_a_bad_configuration(run: Any, config: Path) -> None:
    """The configuration is validated before anything is opened."""
    config.write_text(config.read_text() + "\n[servce]\n")
    assert "servce" in run("serve", code=2).stderr
    assert not (config.parent / "vigil.db").exists()
