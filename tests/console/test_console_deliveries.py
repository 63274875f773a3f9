"""The page of deliveries: who is down, what waits, what was given up; sent again or dropped."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from console_browser import TestClient
from console_world import HOSTILE, NOW, Fleet
from sqlalchemy import select

from monitor.store.tables import AuditRow, OutboxRow, ReceiverRow

Browser = Callable[[str], TestClient]
Csrf = Callable[[str], str]


@pytest.fixture(scope="module")
def letters(fleet: Fleet) -> dict[str, int]:
    """One message of each state, and a receiver that is down."""
    with fleet.sessions.begin() as session:
        made = {
            state: OutboxRow(
                dedup_key=f"m-{state}",
                receiver="oncall-pd",
                incident_id=fleet.incidents["domain_shift"],
                event="trigger",
                message={},
                state=state,
                attempts=3,
                created_at=NOW - timedelta(minutes=9),
                next_attempt_at=NOW + timedelta(minutes=1),
                last_error=f"HTTP 403 {HOSTILE}" if state == "dead" else "",
            )
            for state in ("waiting", "dead", "summarised", "withdrawn", "delivered")
        }
        session.add_all(made.values())
        session.merge(
            ReceiverRow(
                receiver="oncall-pd",
                failures=7,
                down_since=NOW - timedelta(minutes=20),
                open_until=NOW + timedelta(minutes=2),
                last_error="no answer",
                sent=0,
            )
        )
        session.flush()
        return {state: row.id for state, row in made.items()}


def state_of(fleet: Fleet, number: int) -> str:
    with fleet.sessions() as session:
        return session.get_one(OutboxRow, number).state


def test_the_page_shows_who_is_down_and_what_was_given_up(
    client: TestClient, letters: dict[str, int]
) -> None:
    """Texts from outside are escaped; a reader sees no buttons."""
    page = client.get("/deliveries").text
    assert 'href="/deliveries" aria-current="page"' in page
    assert re.search(r"oncall-pd.*down.*for.*20 min", page, re.S)
    assert "HTTP 403 &lt;script&gt;" in page
    assert HOSTILE not in page
    assert re.search(r">slack<.*not in the settings", page, re.S)
    assert "Sign in as an operator" in page
    assert "Send again" not in page


def test_an_operator_sends_again_and_drops(
    sign_in: Browser, fleet: Fleet, letters: dict[str, int], csrf: Csrf
) -> None:
    """Both are audited with who did it; what is not dead is refused."""
    browser, dead, waiting = sign_in("operator"), letters["dead"], letters["waiting"]
    value = csrf(browser.get("/deliveries").text)
    page = browser.post(f"/deliveries/{dead}/resend", data={"csrf": value}).text
    assert "It waits again" in page
    assert state_of(fleet, dead) == "waiting"
    assert browser.post(f"/deliveries/{dead}/resend", data={"csrf": value}).status_code == 409
    assert "Dropped." in browser.post(f"/deliveries/{waiting}/drop", data={"csrf": value}).text
    assert state_of(fleet, waiting) == "withdrawn"
    assert browser.post("/deliveries/999999/drop", data={"csrf": value}).status_code == 404
    with fleet.sessions() as session:
        audited = session.execute(
            select(AuditRow.what, AuditRow.actor).where(AuditRow.what.like("message%"))
        ).all()
    assert [tuple(row) for row in audited] == [
        ("message sent again", "a-operator"),
        ("message dropped", "a-operator"),
    ]


def test_without_the_right_or_the_csrf_value_nothing_changes(
    sign_in: Browser, fleet: Fleet, letters: dict[str, int], csrf: Csrf
) -> None:
    """A viewer may not; another site can't."""
    number, browser = letters["summarised"], sign_in("viewer")
    assert "Send again" not in browser.get("/deliveries").text
    value = csrf(browser.get("/deliveries").text)
    assert browser.post(f"/deliveries/{number}/drop", data={"csrf": value}).status_code == 403
    assert sign_in("operator").post(f"/deliveries/{number}/drop", data={}).status_code == 403
    assert state_of(fleet, number) == "summarised"
