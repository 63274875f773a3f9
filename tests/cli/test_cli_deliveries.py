"""``vigil deliveries``: what waits, what was given up, sent again, dropped."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.store.database import Sessions, open_engine
from monitor.store.tables import OutboxRow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def dead(run: Any, config: Path) -> int:
    run("db", "upgrade")
    engine = open_engine(f"sqlite:///{config.parent / 'vigil.db'}")
    row = OutboxRow(
        dedup_key="m-1",
        receiver="console",
        event="trigger",
        message={},
        state="dead",
        attempts=4,
        created_at=NOON,
        next_attempt_at=NOON,
        last_error="HTTP 403",
    )
    with Sessions(engine).begin() as session:
        session.add(row)
        session.flush()
        number = row.id
    engine.dispose()
    return number


def listed(run: Any, *options: str) -> list[dict[str, Any]]:
    return list(json.loads(run("deliveries", "list", "--json", *options).stdout))


def test_what_was_given_up_is_listed_and_sent_again(run: Any, dead: int) -> None:
    (row,) = listed(run)
    assert (row["state"], row["error"], row["attempts"]) == ("dead", "HTTP 403", 4)
    assert "HTTP 403" in run("deliveries", "list", "--receiver", "console").stdout
    assert listed(run, "--receiver", "other") == []
    assert "waits again" in run("deliveries", "resend", str(dead)).stdout
    assert [one["state"] for one in listed(run)] == ["waiting"]
    assert "it is waiting" in run("deliveries", "resend", str(dead), code=2).output


def test_all_are_sent_again_or_one_is_dropped(run: Any, dead: int) -> None:
    assert run("deliveries", "resend", "--all").stdout == "1 message waits again\n"
    assert run("deliveries", "resend", "--all").stdout == "0 messages wait again\n"
    assert "dropped" in run("deliveries", "drop", str(dead)).stdout
    assert run("deliveries", "list").stdout == "Nothing waits, and nothing was given up.\n"
    assert [one["state"] for one in listed(run, "--state", "withdrawn")] == ["withdrawn"]


def test_the_receivers_health_is_shown(run: Any, dead: int) -> None:
    found = json.loads(run("deliveries", "receivers", "--json").stdout)
    assert [(one["receiver"], one["state"], one["dead"]) for one in found] == [("console", "up", 1)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("resend",), "expected a number, or --all"),
        (("resend", "7", "--all"), "expected a number, or --all"),
        (("drop", "7"), "there is none of that number"),
        (("list", "--state", "lost"), "expected one of waiting"),
    ],
)
def test_a_mistake_is_explained(run: Any, arguments: tuple[str, ...], said: str) -> None:
    assert said in run("deliveries", *arguments, code=2).output
