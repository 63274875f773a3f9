"""``vigil page test``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

PAGERDUTY = """
[receivers.oncall]
kind = "pagerduty"
routing_key = { env = "VIGIL_TEST_ROUTING_KEY" }
url = "http://127.0.0.1:1"
"""
KEY = "0123456789abcdef0123456789abcdef"


def test_a_test_page_reaches_the_console(run: Any) -> None:
    """The console shows the page, and that it is a test."""
    result = run("page", "test", "--json")
    assert json.loads(result.stdout) == [
        {"receiver": "console", "outcome": "delivered", "error": ""}
    ]
    assert "Test: " in result.stderr


def test_a_page_that_does_not_arrive_is_a_failure(
    run: Any, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver that can't be reached ends the command with 1, and shows no secret."""
    monkeypatch.setenv("VIGIL_TEST_ROUTING_KEY", KEY)
    config.write_text(config.read_text() + PAGERDUTY)
    result = run("page", "test", "oncall", "--json", code=1)
    (row,) = json.loads(result.stdout)
    assert row["outcome"] != "delivered"
    assert row["error"]
    assert KEY not in result.output


def test_a_secret_that_is_not_there_is_told(run: Any, config: Path) -> None:
    """The error names the setting and the variable."""
    config.write_text(config.read_text() + PAGERDUTY)
    said = run("page", "test", code=2).stderr
    assert "receivers.oncall.routing_key" in said
    assert "VIGIL_TEST_ROUTING_KEY" in said


def test_a_receiver_that_is_not_there_is_told(run: Any) -> None:
    """The error names those that there are."""
    assert "console" in run("page", "test", "nobody", code=2).stderr
