"""The page of label queues: what waits, with its picture, and taking a batch back."""

from __future__ import annotations

import re
from datetime import timedelta

from console_browser import TestClient
from console_world import DEPLOYMENT, HOSTILE, MODEL, NOW, Fleet
from incident_rows import task_row

from monitor.store.tables import AuditRow, LabelQueueRow, LabelTaskRow


def batch_of(fleet: Fleet) -> str:
    return f"incident-{fleet.incidents['domain_shift']}"


def test_queues_batches_and_what_comes_next_are_shown(client: TestClient, fleet: Fleet) -> None:
    with fleet.sessions.begin() as session:
        session.merge(
            LabelQueueRow(
                model=MODEL,
                deployment=DEPLOYMENT,
                name="label-studio https://ls.example 3",
                asked_at=NOW - timedelta(minutes=2),
                failures=2,
                problem="Label Studio: HTTP 502",
                picked_on="",
            )
        )
    page = client.get("/labels").text
    assert "label-studio https://ls.example 3" in page
    assert "does not answer: Label Studio: HTTP 502" in page
    assert len(re.findall(r'<img src="/relabel/\d+\.png"', page)) == 24
    assert f'href="/incidents/{fleet.incidents["domain_shift"]}"' in page
    assert batch_of(fleet) in page
    assert "Withdraw" not in page


def test_an_operator_takes_a_batch_back_and_a_viewer_can_not(
    sign_in, csrf, fleet: Fleet, client: TestClient
) -> None:
    with fleet.sessions.begin() as session:
        session.add_all(
            task_row(
                batch="gone",
                model=MODEL,
                deployment=DEPLOYMENT,
                record_id=f"g{k}",
                rank=k,
                state="queued",
                external_id=f"{k}",
            )
            for k in (1, 2)
        )
    browser = sign_in("viewer")
    assert "Withdraw" not in browser.get("/labels").text
    refused = {"csrf": csrf(browser.get("/labels").text), "batch": "gone"}
    assert browser.post("/labels/withdraw", data=refused).status_code == 403
    operator = sign_in("operator")
    page = operator.get("/labels").text
    answer = operator.post("/labels/withdraw", data={"csrf": csrf(page), "batch": "gone"})
    assert "they leave their queue" in answer.text
    with fleet.sessions() as session:
        rows = session.query(LabelTaskRow).filter_by(batch="gone").all()
        assert {(row.state, row.problem) for row in rows} == {
            ("withdrawing", "withdrawn by a-operator")
        }
        audited = session.query(AuditRow).filter_by(what="label tasks withdrawn").one()
    assert (audited.subject, audited.data["tasks"]) == ("batch gone", 2)
    assert operator.post("/labels/withdraw", data={"batch": "gone"}).status_code == 403
    missing = operator.post("/labels/withdraw", data={"csrf": csrf(page), "batch": "never"})
    assert missing.status_code == 404


def test_what_was_picked_is_text_and_never_markup(client: TestClient, fleet: Fleet) -> None:
    with fleet.sessions.begin() as session:
        session.add(
            task_row(
                batch=HOSTILE,
                model=HOSTILE,
                slice=HOSTILE,
                reason=HOSTILE,
                record_id="h1",
                priority=1.0,
                data={"metadata": {"site": HOSTILE}, "prediction": 1},
            )
        )
    page = client.get("/labels").text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
