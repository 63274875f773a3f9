"""The page of a model's quality: what labels say, what to look at, and retraining from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from console_browser import TestClient
from console_world import DEPLOYMENT, HOSTILE, MODEL, NOW, Fleet
from label_rows import annotation_row, label_row, task_row
from sqlalchemy import select

from monitor.store import releases
from monitor.store.tables import LabelRow

Browser = Callable[[str], TestClient]
Csrf = Callable[[str], str]
PAGE = f"/quality/{MODEL}/{DEPLOYMENT}"
MINE = {"model": MODEL, "version": "v1"}


@pytest.fixture
def labelled(fleet: Fleet) -> Fleet:
    """Sure errors with hostile names, and two labellers who differ; once for all tests."""
    with fleet.sessions.begin() as session:
        if session.scalar(select(LabelRow.id).where(LabelRow.record_id == HOSTILE)) is None:
            at = {"predicted_at": NOW - timedelta(hours=2), "arrived_at": NOW}
            session.add(label_row(HOSTILE, right=False, confidence=0.99, **MINE, **at))
            row = task_row(HOSTILE, picked_at=NOW - timedelta(hours=1), inclusion=None, **MINE)
            session.add(row)
            session.flush()
            session.add(annotation_row(row, "ann", 5, at=NOW))
            session.add(annotation_row(row, "bo", 3, at=NOW))
    return fleet


def test_the_page_tells_quality_labellers_and_what_to_look_at(
    client: TestClient, labelled: Fleet
) -> None:
    page = client.get(PAGE).text
    for text in ("<h2>Quality</h2>", "<h2>Calibration</h2>", "<h2>Label quality</h2>", "Accuracy"):
        assert text in page
    assert "labellers differ: ann 5, bo 3" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "None was proposed." in page
    assert 'aria-current="true">30d' in page
    assert 'aria-current="true">7d' in client.get(f"{PAGE}?span=7d").text
    assert client.get(f"{PAGE}?span=never").status_code == 200
    assert f'href="{PAGE}"' in client.get(f"/models/{MODEL}/{DEPLOYMENT}").text


def test_a_model_without_labels_says_so_and_an_unknown_one_has_no_page(
    client: TestClient, fleet: Fleet
) -> None:
    with fleet.sessions.begin() as session:
        releases.announce(
            session, model="unlabelled", deployment="production", version="v1", actor="ci", at=NOW
        )
    page = client.get("/quality/unlabelled/production").text
    assert "No label can stand for all traffic yet." in page
    assert client.get("/report/nobody/production").status_code == 404
    assert client.get("/quality/nobody/production").status_code == 404


def test_the_report_is_a_page_of_its_own(client: TestClient, labelled: Fleet) -> None:
    answer = client.get(f"/report/{MODEL}/{DEPLOYMENT}?span=7d")
    assert "<h2>What is not known</h2>" in answer.text
    assert "script" not in answer.headers["content-security-policy"]


def test_who_may_not_operate_changes_nothing(sign_in: Browser, labelled: Fleet, csrf: Csrf) -> None:
    browser = sign_in("viewer")
    value = csrf(browser.get(PAGE).text)
    for path in (f"{PAGE}/retrain", "/retrainings/1/request", "/retrainings/1/withdraw"):
        assert browser.post(path, data={"csrf": value, "reason": "x"}).status_code == 403
    assert "Propose a retraining" not in browser.get(PAGE).text


def test_a_retraining_is_proposed_asked_for_and_withdrawn(
    sign_in: Browser, labelled: Fleet, csrf: Csrf
) -> None:
    browser = sign_in("operator")
    value = csrf(browser.get(PAGE).text)
    assert browser.post(f"{PAGE}/retrain", data={"reason": "x"}).status_code == 403  # no csrf
    fields = {"csrf": value, "reason": "a new site", "incident": "#x"}
    assert browser.post(f"{PAGE}/retrain", data=fields).status_code == 400
    endless = {**fields, "incident": "9" * 5000}
    assert browser.post(f"{PAGE}/retrain", data=endless).status_code == 400
    incident = str(labelled.incidents["domain_shift"])
    page = browser.post(f"{PAGE}/retrain", data={**fields, "incident": f"#{incident}"}).text
    assert "a new site" in page
    assert "proposed" in page
    assert "Propose a retraining" not in page  # one is under way
    assert browser.post(f"{PAGE}/retrain", data={**fields, "incident": ""}).status_code == 409
    told = browser.get(f"/incidents/{incident}").text
    assert "Retraining 1 proposed on" in told
    page = browser.post("/retrainings/1/request", data={"csrf": value}).text
    assert "requested" in page
    assert "by hand" in page
    page = browser.post("/retrainings/1/withdraw", data={"csrf": value, "reason": "later"}).text
    assert "withdrawn" in page
    assert "Propose a retraining" in page
