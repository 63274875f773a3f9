"""Signing in, and what people change from the console."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from console_browser import TestClient, browser_on
from console_world import Fleet

from monitor.store.tables import ActionRow, IncidentRow

Browser = Callable[[str], TestClient]
Csrf = Callable[[str], str]


def test_a_reader_on_this_machine_sees_no_buttons(client: TestClient, fleet: Fleet) -> None:
    """Reading on loopback is open; acting needs a session."""
    page = client.get(f"/incidents/{fleet.incidents['input_fault']}").text
    assert "Sign in to act" in page
    assert "/acknowledge" not in page


def test_from_another_machine_pages_ask_to_sign_in_first(fleet: Fleet) -> None:
    """Beyond loopback even reading needs a session; one comes back to where one was."""
    browser = browser_on(fleet, host="vigil.example", address="10.0.0.9")
    answer = browser.get("/incidents?state=all", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?then=/incidents%3Fstate%3Dall"


@pytest.mark.parametrize("token", ["", "nonsense", "INGEST"])
def test_a_token_that_does_not_open_the_console_says_why(
    client: TestClient, fleet: Fleet, token: str
) -> None:
    """A wrong token, or one that only sends windows, is refused without a cookie."""
    sent = fleet.tokens["ingest"] if token == "INGEST" else token
    answer = client.post("/login", data={"token": sent})
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("then", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_signing_in_never_leads_elsewhere(client: TestClient, fleet: Fleet, then: str) -> None:
    """``then`` only names paths of the console."""
    answer = client.post(
        "/login", data={"token": fleet.tokens["viewer"], "then": then}, follow_redirects=False
    )
    assert answer.headers["location"] == "/"


def test_an_operator_acknowledges_judges_and_resolves(
    sign_in: Browser, fleet: Fleet, csrf: Csrf
) -> None:
    """The three buttons change the incident and record who pressed them."""
    browser, key = sign_in("operator"), fleet.incidents["domain_shift"]
    value = csrf(browser.get(f"/incidents/{key}").text)
    page = browser.post(f"/incidents/{key}/acknowledge", data={"csrf": value})
    assert "Acknowledged: the receivers are told" in page.text
    browser.post(f"/incidents/{key}/disposition", data={"csrf": value, "disposition": "expected"})
    browser.post(f"/incidents/{key}/resolve", data={"csrf": value})
    with fleet.sessions() as session:
        row = session.get_one(IncidentRow, key)
    assert (row.state, row.disposition) == ("resolved", "expected")
    assert "a-operator" in browser.get(f"/incidents/{key}").text


def test_a_form_without_its_csrf_value_changes_nothing(sign_in: Browser, fleet: Fleet) -> None:
    """Another site can make a browser send a form, but it can't know the value."""
    browser, key = sign_in("operator"), fleet.incidents["input_fault"]
    for data in ({}, {"csrf": "0" * 64}):
        answer = browser.post(f"/incidents/{key}/resolve", data=data)
        assert answer.status_code == 403
    with fleet.sessions() as session:
        assert session.get_one(IncidentRow, key).state == "acknowledged"


def test_a_viewer_may_not_act(sign_in: Browser, fleet: Fleet, csrf: Csrf) -> None:
    """A viewer's session sees no buttons, and its forms are refused."""
    browser, key = sign_in("viewer"), fleet.incidents["input_fault"]
    page = browser.get(f"/incidents/{key}").text
    assert f"/incidents/{key}/resolve" not in page
    answer = browser.post(f"/incidents/{key}/resolve", data={"csrf": csrf(page)})
    assert answer.status_code == 403


def test_an_approval_binds_to_the_plan_that_was_read(
    sign_in: Browser, fleet: Fleet, csrf: Csrf
) -> None:
    """Another hash is a conflict; the right one is recorded with the approver's name."""
    browser, key = sign_in("approver"), fleet.incidents["hostile"]
    page = browser.get(f"/incidents/{key}").text
    assert "Approve this plan" in page
    with fleet.sessions() as session:
        action = session.query(ActionRow).filter_by(incident_id=key).one()
    data = {"csrf": csrf(page), "plan_hash": "0" * 64}
    assert browser.post(f"/actions/{action.id}/approve", data=data).status_code == 409
    data["plan_hash"] = action.plan_hash
    assert "Approved" in browser.post(f"/actions/{action.id}/approve", data=data).text
    with fleet.sessions() as session:
        assert session.get_one(ActionRow, action.id).approved_by == "a-approver"


def test_an_operator_may_not_approve(sign_in: Browser, fleet: Fleet, csrf: Csrf) -> None:
    """Approving needs its own scope."""
    browser, key = sign_in("operator"), fleet.incidents["input_fault"]
    value = csrf(browser.get(f"/incidents/{key}").text)
    answer = browser.post("/actions/1/approve", data={"csrf": value, "plan_hash": "x"})
    assert answer.status_code == 403


def test_signing_out_ends_the_session(sign_in: Browser, csrf: Csrf) -> None:
    """After signing out the buttons are gone."""
    browser = sign_in("operator")
    browser.post("/logout", data={"csrf": csrf(browser.get("/").text)})
    assert "Sign in" in browser.get("/").text


def test_a_form_that_is_too_long_or_no_form_is_refused(client: TestClient) -> None:
    """Sizes are bounded before anything is parsed."""
    assert client.post("/login", content=b"token=" + b"x" * 70_000).status_code == 413
    assert client.post("/login", content=b"\xff\xfe").status_code in (400, 403)
