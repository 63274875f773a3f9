"""Runbook steps ticked beside an incident, and corrective actions until they are closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from console_browser import TestClient
from console_world import NOW, Fleet
from sqlalchemy import select

from monitor.response import followups
from monitor.store.tables import CorrectiveActionRow, RunbookTickRow, TimelineRow

Browser = Callable[[str], TestClient]
Csrf = Callable[[str], str]


def test_a_step_is_ticked_with_who_and_when(sign_in: Browser, fleet: Fleet, csrf: Csrf) -> None:
    """The button gives way to the name; the timeline tells the step's text."""
    key = fleet.incidents["input_fault"]
    browser = sign_in("operator")
    page = browser.get(f"/incidents/{key}").text
    assert "0 of 9 steps done" in page
    fields = {"csrf": csrf(page), "runbook": "input_fault", "step": "2"}
    page = browser.post(f"/incidents/{key}/steps", data=fields).text
    assert "1 of 9 steps done" in page
    assert "✓ a-operator" in page
    browser.post(f"/incidents/{key}/steps", data=fields)
    with fleet.sessions() as session:
        assert len(session.scalars(select(RunbookTickRow)).all()) == 1
        lines = select(TimelineRow.text).where(TimelineRow.kind == "runbook")
        assert session.scalars(lines).all()[0].startswith("Did step 2: Look at a fresh image")
    alone = browser.get(f"/runbooks/input_fault?incident={key}").text
    assert "✓ a-operator" in alone
    browser.post(f"/incidents/{key}/steps", data={**fields, "undo": "yes"})
    with fleet.sessions() as session:
        assert session.scalars(select(RunbookTickRow)).all() == []


@pytest.mark.parametrize(("step", "status"), [("99", 404), ("x", 400), ("", 400), ("٢", 400)])
def test_a_step_that_is_not_there_is_refused(
    sign_in: Browser, fleet: Fleet, csrf: Csrf, step: str, status: int
) -> None:
    key = fleet.incidents["input_fault"]
    browser = sign_in("operator")
    value = csrf(browser.get(f"/incidents/{key}").text)
    fields = {"csrf": value, "runbook": "input_fault", "step": step}
    assert browser.post(f"/incidents/{key}/steps", data=fields).status_code == status


def test_the_runbook_shows_live_values(client: TestClient, fleet: Fleet) -> None:
    """Effect, slices and commands are the incident's own."""
    key = fleet.incidents["input_fault"]
    page = client.get(f"/incidents/{key}").text
    assert "times its tolerance" in page
    assert f"vigil followups add {key}" in page
    assert "{{" not in page


def test_forms_need_their_csrf_value_and_an_operator(
    sign_in: Browser, fleet: Fleet, csrf: Csrf
) -> None:
    key = fleet.incidents["input_fault"]
    browser = sign_in("viewer")
    value = "0" * 64
    for path, fields in (
        (f"/incidents/{key}/steps", {"runbook": "input_fault", "step": "1"}),
        (f"/incidents/{key}/followups", {"text": "x"}),
        ("/followups/1/close", {"state": "done"}),
    ):
        assert browser.post(path, data={**fields, "csrf": value}).status_code == 403
    page = browser.get(f"/incidents/{key}").text
    assert "/steps" not in page


def test_a_corrective_action_is_followed_until_it_is_closed(
    sign_in: Browser, fleet: Fleet, csrf: Csrf
) -> None:
    """Added beside the incident, overdue on the overview, done with a note."""
    key = fleet.incidents["domain_shift"]
    browser = sign_in("operator")
    value = csrf(browser.get(f"/incidents/{key}").text)
    late = (NOW - timedelta(days=3)).strftime("%Y-%m-%d")
    page = browser.post(
        f"/incidents/{key}/followups",
        data={"csrf": value, "text": "label <b>the</b> site", "owner": "kim", "due": late},
    ).text
    assert "label &lt;b&gt;the&lt;/b&gt; site" in page
    overview = browser.get("/followups").text
    assert "1 overdue" in overview
    assert f"/incidents/{key}" in overview
    with fleet.sessions() as session:
        row = session.scalars(select(CorrectiveActionRow)).one()
        assert followups.is_overdue(row, NOW)
        number = row.id
    done = {"csrf": value, "state": "done", "note": "200 labels", "then": "overview"}
    answer = browser.post(f"/followups/{number}/close", data=done)
    assert "Nothing is left to do" in answer.text
    assert "200 labels" in browser.get("/followups?state=all").text
    assert browser.post(f"/followups/{number}/close", data=done).status_code == 409


@pytest.mark.parametrize(
    "fields", [{"text": ""}, {"text": "x", "due": "soon"}, {"text": "x" * 9999}]
)
def test_what_can_not_be_followed_is_refused(
    sign_in: Browser, fleet: Fleet, csrf: Csrf, fields: dict[str, str]
) -> None:
    key = fleet.incidents["domain_shift"]
    browser = sign_in("operator")
    value = csrf(browser.get(f"/incidents/{key}").text)
    answer = browser.post(f"/incidents/{key}/followups", data={**fields, "csrf": value})
    assert answer.status_code == 400
