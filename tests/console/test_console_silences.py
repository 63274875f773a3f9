"""The page of silences: its form, its preview, its buttons, and who may press them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from console_browser import TestClient
from console_world import HOSTILE, MODEL, NOW, Fleet
from sqlalchemy import select

from alerts.silences.draft import draft
from alerts.silences.matchers import Matcher
from alerts.silences.silence import Silence, SilenceKind
from monitor.response import silences
from monitor.store.tables import AuditRow, SilenceRow

Browser = Callable[[str], TestClient]
Csrf = Callable[[str], str]
FORM = {
    "kind": "silence",
    "matchers": f"model={MODEL}\r\nsite=south",
    "lasts": "2h",
    "time_zone": "UTC",
    "comment": "the lens is being cleaned",
}


def made(fleet: Fleet, **values: object) -> Silence:
    """A silence of the south, in the database."""
    with fleet.sessions.begin() as session:
        plain: dict[str, object] = {
            "kind": SilenceKind.SILENCE,
            "matchers": (Matcher.parse("site=south"),),
            "starts_at": NOW,
            "ends_at": NOW + timedelta(hours=2),
            "comment": "lens",
            "actor": "jo",
            "now": NOW,
        }
        return silences.create(session, draft(**{**plain, **values}))  # type: ignore[arg-type]


def numbers(fleet: Fleet) -> list[int]:
    with fleet.sessions() as session:
        return list(session.scalars(select(SilenceRow.id)))


def test_a_preview_names_the_incidents_and_creates_nothing(
    sign_in: Browser, fleet: Fleet, csrf: Csrf
) -> None:
    """What would be held back is shown beside the form, which keeps what was typed."""
    browser, before = sign_in("operator"), numbers(fleet)
    value = csrf(browser.get("/silences").text)
    page = browser.post("/silences", data={**FORM, "csrf": value, "do": "preview"})
    assert page.status_code == 200
    assert "would silence 1 open incident" in page.text
    assert f'href="/incidents/{fleet.incidents["input_fault"]}"' in page.text
    assert "the lens is being cleaned" in page.text
    assert numbers(fleet) == before


def test_a_silence_is_created_extended_and_ended_with_its_actor(
    sign_in: Browser, fleet: Fleet, csrf: Csrf
) -> None:
    """Each step is shown, and the audit says who took it."""
    browser, before = sign_in("operator"), numbers(fleet)
    value = csrf(browser.get("/silences").text)
    page = browser.post("/silences", data={**FORM, "csrf": value, "do": "create"})
    (key,) = set(numbers(fleet)) - set(before)
    assert f"S-{key}" in page.text
    browser.post(f"/silences/{key}/extend", data={"csrf": value, "lasts": "4h"})
    with fleet.sessions() as session:
        assert session.get_one(SilenceRow, key).ends_at == NOW + timedelta(hours=6)
    assert "Ended." in browser.post(f"/silences/{key}/end", data={"csrf": value}).text
    assert f"S-{key}" not in browser.get("/silences").text
    assert f"S-{key}" in browser.get("/silences?show=expired").text
    with fleet.sessions() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.subject == f"S-{key}")).all()
    said = [(row.what, row.actor) for row in rows]
    assert said == [(f"silence {what}", "a-operator") for what in ("created", "extended", "ended")]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"matchers": ""}, "hold for anything"),
        ({"matchers": 'site=~"(a"'}, "a ( without its )"),
        ({"lasts": "soon"}, "expected something like 45m"),
        ({"lasts": "", "until": "tomorrow"}, "expected a time such as"),
        ({"lasts": "99w"}, "at most 90 days"),
        ({"every": "FREQ=SECONDLY", "until": "2027-01-01"}, "FREQ=DAILY"),
        ({"time_zone": "Mars/Olympus"}, "not a time zone"),
        ({"comment": " "}, "say why"),
        ({"kind": "freeze"}, "a freeze is of models"),
        ({"kind": "nonsense"}, "kind: expected one of"),
    ],
)
def test_what_is_wrong_is_said_over_the_form_as_it_was_typed(
    sign_in: Browser, fleet: Fleet, csrf: Csrf, changed: dict[str, str], words: str
) -> None:
    """Nothing is created, and nothing that was typed is lost."""
    browser, before = sign_in("operator"), numbers(fleet)
    value = csrf(browser.get("/silences").text)
    do = "preview" if words.startswith("a ") else "create"
    page = browser.post("/silences", data={**FORM, **changed, "csrf": value, "do": do})
    assert page.status_code == 400
    assert words in page.text
    assert (changed.get("comment") or FORM["comment"]) in page.text
    assert numbers(fleet) == before


def test_an_incident_fills_in_the_form(sign_in: Browser, fleet: Fleet) -> None:
    """``Silence this`` leads to matchers of its kind, model, deployment and slice."""
    browser, key = sign_in("operator"), fleet.incidents["input_fault"]
    assert f'href="/silences?incident={key}#new"' in browser.get(f"/incidents/{key}").text
    page = browser.get(f"/silences?incident={key}").text
    for text in ("alertname=", "deployment=", "site=&#34;south&#34;", f"from incident {key}"):
        assert text in page
    assert "version=" not in page
    assert browser.get("/silences?incident=999999").status_code == 404


def test_a_form_without_its_csrf_value_changes_nothing(sign_in: Browser, fleet: Fleet) -> None:
    """Another site can make a browser send a form, but it can't know the value."""
    key = made(fleet).id
    browser, before = sign_in("operator"), numbers(fleet)
    for data in ({}, {"csrf": "0" * 64}):
        for path in ("/silences", f"/silences/{key}/end", f"/silences/{key}/extend"):
            answer = browser.post(path, data={**FORM, **data, "do": "create", "lasts": "1h"})
            assert answer.status_code == 403
    with fleet.sessions() as session:
        row = session.get_one(SilenceRow, key)
        assert (row.ended_at, row.ends_at) == (
            None,
            NOW + timedelta(hours=2),
        )
    assert numbers(fleet) == before


def test_a_viewer_sees_silences_and_changes_none(
    sign_in: Browser, fleet: Fleet, csrf: Csrf
) -> None:
    """Reading needs no more than reading; the buttons are not there and the forms are refused."""
    key = made(fleet).id
    browser = sign_in("viewer")
    page = browser.get("/silences").text
    assert f"S-{key}" in page
    assert f"/silences/{key}/end" not in page
    answer = browser.post(f"/silences/{key}/end", data={"csrf": csrf(page)})
    assert answer.status_code == 403


def test_a_silence_that_ends_under_an_open_incident_is_pointed_out(
    sign_in: Browser, fleet: Fleet
) -> None:
    """It is named above the list, with the incident that will page."""
    key = made(fleet).id
    page = sign_in("viewer").get("/silences").text
    assert f"<b>S-{key}</b> ends" in page
    assert f"#{fleet.incidents['input_fault']} is still open" in page


def test_what_people_type_is_text_not_html(sign_in: Browser, fleet: Fleet, csrf: Csrf) -> None:
    """A script in a matcher or comment is shown, not run; in the list and in the form."""
    made(fleet, comment=HOSTILE, matchers=(Matcher.parse(f'site="{HOSTILE}"'),))
    browser = sign_in("operator")
    page = browser.get("/silences").text
    assert "&lt;script&gt;" in page
    again = {**FORM, "comment": HOSTILE, "matchers": f'site="{HOSTILE}"', "every": '"><script>'}
    for text in (page, browser.post("/silences", data={**again, "csrf": csrf(page)}).text):
        assert "<script>alert" not in text
        assert '"><script>' not in text


def test_ending_one_that_is_over_or_not_there_is_said(
    sign_in: Browser, fleet: Fleet, csrf: Csrf
) -> None:
    """A second press is a conflict, an unknown number is not found; extending by nonsense fails."""
    key = made(fleet).id
    browser = sign_in("operator")
    data = {"csrf": csrf(browser.get("/silences").text)}
    assert browser.post(f"/silences/{key}/extend", data={**data, "lasts": "x"}).status_code == 400
    assert browser.post(f"/silences/{key}/end", data=data).status_code == 200
    assert browser.post(f"/silences/{key}/end", data=data).status_code == 409
    assert browser.post("/silences/987654/end", data=data).status_code == 404
