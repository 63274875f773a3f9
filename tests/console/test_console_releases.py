"""The page of canaries, gates and controls: what it shows, its forms, and who may send them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from console_browser import TestClient, browser_on
from console_world import DEPLOYMENT, HOSTILE, MODEL, NOW, Fleet, empty_fleet
from sqlalchemy import select

from monitor.canary import manage as canaries
from monitor.controls import manage as controls
from monitor.controls.open import values_of
from monitor.gate.keep import keep
from monitor.gate.report import Check, Family, GateOutcome, GateReport
from monitor.settings.controls import Controls
from monitor.settings.schema import Settings
from monitor.store.tables import AuditRow, CanaryRow, ControlRow
from monitor.web.auth import create_token

Csrf = Callable[[str], str]
FORM = {
    "family": f"{MODEL}/{DEPLOYMENT}",
    "what": "threshold",
    "name": "accept",
    "value": "0.8",
    "incident": "",
    "reason": "too sure of itself",
}


def with_controls(settings: Settings, folder: Path) -> Settings:
    target = Controls(target="file", file=folder / "controls.json")
    models = tuple(one.model_copy(update={"controls": target}) for one in settings.models)
    return settings.model_copy(update={"models": models})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Fleet]:
    made = empty_fleet(tmp_path)
    made = replace(made, settings=with_controls(made.settings, tmp_path))
    with made.sessions.begin() as session:
        for scope in ("viewer", "operator", "approver"):
            made.tokens[scope] = create_token(
                session, name=f"a-{scope}", scope=scope, actor="test", at=NOW - timedelta(days=1)
            )
    yield made
    made.engine.dispose()


def signed_in(site: Fleet, scope: str) -> TestClient:
    browser = browser_on(site)
    assert browser.post("/login", data={"token": site.tokens[scope], "then": "/"}).is_success
    return browser


def a_canary(site: Fleet, **values: object) -> int:
    with site.sessions.begin() as session:
        row = canaries.start(
            session,
            site.settings,
            model=MODEL,
            deployment=DEPLOYMENT,
            candidate="v2",
            control="v1",
            share=0.1,
            actor="ci",
            at=NOW - timedelta(hours=2),
        )
        for name, value in values.items():
            setattr(row, name, value)
        return row.id


def a_gate(site: Fleet, outcome: GateOutcome, text: str) -> None:
    check = Check(
        family=Family.SLICE,
        name="site=north",
        outcome=outcome,
        text=text,
        value=0.08,
        low=0.06,
        high=0.1,
        limit=0.03,
        unit="loss of accuracy",
        records=900,
    )
    report = GateReport(candidate="v2", control="v1", records=2000, checks=(check,))
    with site.sessions.begin() as session:
        keep(
            session,
            report,
            model=MODEL,
            deployment=DEPLOYMENT,
            candidate="v2",
            control="v1",
            actor="ci",
            at=NOW - timedelta(hours=3),
        )


def states(site: Fleet) -> list[str]:
    with site.sessions() as session:
        return list(session.scalars(select(ControlRow.state).order_by(ControlRow.id)))


def test_an_empty_page_says_how_to_begin(site: Fleet) -> None:
    page = browser_on(site).get("/releases").text
    for said in ("No canary.", "Nothing was set.", "No gate was recorded."):
        assert said in page


def test_everything_is_shown_and_nothing_of_it_is_markup(site: Fleet) -> None:
    result = {"units": [900, 100], "difference": 0.04, "reason": HOSTILE, "left_out": 12}
    a_canary(site, evidence_rollback=40.0, result={**result, "outputs_differ": True})
    a_gate(site, GateOutcome.FAIL, f"worse {HOSTILE}")
    with site.sessions.begin() as session:
        controls.propose(
            session,
            model=MODEL,
            deployment=DEPLOYMENT,
            what="flag",
            name=HOSTILE,
            value="on",
            actor="ada",
            at=NOW,
            target=values_of(site.settings, MODEL, DEPLOYMENT),
        )
    page = browser_on(site).get("/releases").text
    assert HOSTILE not in page
    for said in ("running", "beside v1, 10.0 %", "+0.04", "slice: site=north", "waiting"):
        assert said in page
    assert "12 labels were picked" in page
    assert "Approve" not in page, "nobody is signed in"


def test_a_control_is_asked_for_approved_and_withdrawn(site: Fleet, csrf: Csrf) -> None:
    operator = signed_in(site, "operator")
    value = csrf(operator.get("/releases").text)
    page = operator.post("/releases/controls", data={**FORM, "csrf": value}).text
    assert "Asked for." in page
    assert "too sure of itself" in page
    with site.sessions() as session:
        row = session.scalars(select(ControlRow)).one()
    way = f"/releases/controls/{row.id}"
    assert "Approve</button>" not in page
    refused = operator.post(f"{way}/approve", data={"csrf": value, "plan_hash": row.plan_hash})
    assert refused.status_code == 403
    approver = signed_in(site, "approver")
    other = csrf(approver.get("/releases").text)
    assert (
        approver.post(f"{way}/approve", data={"csrf": other, "plan_hash": "x"}).status_code == 409
    )
    approved = approver.post(f"{way}/approve", data={"csrf": other, "plan_hash": row.plan_hash})
    assert "approved by a-approver" in approved.text
    assert "Withdrawn." in operator.post(f"{way}/withdraw", data={"csrf": value}).text
    assert states(site) == ["refused"]
    with site.sessions() as session:
        said = session.execute(
            select(AuditRow.what, AuditRow.actor).where(AuditRow.what.startswith("control"))
        ).all()
    assert [tuple(one) for one in said] == [
        ("control asked for", "a-operator"),
        ("control approved", "a-approver"),
        ("control withdrawn", "a-operator"),
    ]


def test_what_was_carried_out_can_be_undone(site: Fleet, csrf: Csrf) -> None:
    operator = signed_in(site, "operator")
    value = csrf(operator.get("/releases").text)
    operator.post("/releases/controls", data={**FORM, "csrf": value})
    with site.sessions.begin() as session:
        session.scalars(select(ControlRow)).one().state = "done"
    held = {MODEL: {DEPLOYMENT: {"threshold": {"accept": "0.8"}}}}
    plain = {"format": 1, "done": [], "controls": held}
    (site.folder / "controls.json").write_text(json.dumps(plain))
    page = operator.post("/releases/controls/1/undo", data={"csrf": value}).text
    assert states(site) == ["done", "waiting"]
    assert "undoes control 1" in page


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"csrf": "forged"}, 403),
        ({"value": "high"}, 400),
        ({"incident": "seven"}, 400),
        ({"incident": "99"}, 404),
        ({"family": "nobody/nowhere"}, 400),
    ],
)
def test_a_form_that_is_wrong_changes_nothing(
    site: Fleet, csrf: Csrf, wrong: dict[str, str], status: int
) -> None:
    operator = signed_in(site, "operator")
    value = csrf(operator.get("/releases").text)
    reply = operator.post("/releases/controls", data={**FORM, "csrf": value, **wrong})
    assert reply.status_code == status
    assert states(site) == []


CANARY = {
    "family": f"{MODEL}/{DEPLOYMENT}",
    "candidate": "v2",
    "control": "v1",
    "share": "10 %",
    "margin": "",
    "alpha": "",
}


def canaries_of(site: Fleet) -> list[CanaryRow]:
    with site.sessions() as session:
        return list(session.scalars(select(CanaryRow)))


def test_a_canary_is_started_from_the_page(site: Fleet, csrf: Csrf) -> None:
    """Shares are written as people write them; who did it is in the audit."""
    operator = signed_in(site, "operator")
    value = csrf(operator.get("/releases").text)
    page = operator.post("/releases/canaries", data={**CANARY, "csrf": value}).text
    assert "Started. It counts labels from the candidate" in page
    (row,) = canaries_of(site)
    assert (row.candidate, row.control, row.share) == ("v2", "v1", 0.1)
    assert (row.margin, row.alpha) == (canaries.MARGIN, canaries.ALPHA)
    with site.sessions() as session:
        said = session.scalars(select(AuditRow).where(AuditRow.what == "canary started")).one()
    assert said.actor == "a-operator"
    again = operator.post("/releases/canaries", data={**CANARY, "csrf": value})
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"csrf": "forged"}, 403),
        ({"share": ""}, 400),
        ({"share": "110 %"}, 400),
        ({"share": "nan"}, 400),
        ({"share": "1e-999"}, 400),
        ({"share": "0." + "1" * 50}, 400),
        ({"margin": "much"}, 400),
        ({"candidate": "v1"}, 400),
        ({"candidate": ""}, 400),
        ({"candidate": "a\nb"}, 400),
        ({"control": ""}, 404),
        ({"family": "nobody/nowhere"}, 404),
    ],
)
def test_a_canary_that_makes_no_sense_is_not_started(
    site: Fleet, csrf: Csrf, wrong: dict[str, str], status: int
) -> None:
    operator = signed_in(site, "operator")
    value = csrf(operator.get("/releases").text)
    reply = operator.post("/releases/canaries", data={**CANARY, "csrf": value, **wrong})
    assert reply.status_code == status
    assert canaries_of(site) == []


def test_viewers_start_no_canary_and_see_no_form(site: Fleet, csrf: Csrf) -> None:
    viewer = signed_in(site, "viewer")
    assert "/releases/canaries" not in viewer.get("/releases").text
    value = csrf(signed_in(site, "operator").get("/releases").text)
    assert viewer.post("/releases/canaries", data={**CANARY, "csrf": value}).status_code == 403
    assert canaries_of(site) == []


def test_viewers_may_look_only(site: Fleet, csrf: Csrf) -> None:
    number = a_canary(site)
    viewer = signed_in(site, "viewer")
    page = viewer.get("/releases").text
    assert "<button>End" not in page
    value = csrf(signed_in(site, "operator").get("/releases").text)
    reply = viewer.post(f"/releases/canaries/{number}/end", data={"csrf": value})
    assert reply.status_code == 403


def test_a_canary_is_ended_with_its_actor(site: Fleet, csrf: Csrf) -> None:
    number = a_canary(site)
    operator = signed_in(site, "operator")
    value = csrf(operator.get("/releases").text)
    page = operator.post(f"/releases/canaries/{number}/end", data={"csrf": value}).text
    assert "Ended, undecided." in page
    with site.sessions() as session:
        row = session.get_one(CanaryRow, number)
        assert (row.state, row.result["ended_by"]) == ("ended", "a-operator")
