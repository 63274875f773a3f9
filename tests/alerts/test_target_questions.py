"""Questions to rollback targets over HTTP that get no answer or a no; what is never shown."""

from __future__ import annotations

import pytest
from stub_receivers.server import ReceiverServer, Trouble
from stub_targets.controllers import NAME
from stub_targets.rigs import MARK, OVER_HTTP, requests_of, rig
from test_target_contract import FAILED, UNCLEAR, a_plan

TROUBLES = {
    "429": Trouble(status=429, headers={"Retry-After": "1"}, body=b"{}"),
    "half an answer": Trouble(how="reset"),
    "a login page": Trouble(body=b"<!doctype html><title>Log in</title>"),
    "a list": Trouble(body=b"[1, 2]"),
    "another shape": Trouble(body=b'{"metadata": [], "registered_model": 3, "spec": "x"}'),
}
FINAL = {"401": Trouble(status=401, body=b"{}"), "403": Trouble(status=403, body=b'{"error": 1}')}


@pytest.mark.parametrize("kind", OVER_HTTP)
@pytest.mark.parametrize("trouble", FINAL)
def test_a_refusal_names_itself_and_changes_nothing(kind, trouble, tmp_path):
    """The first request is refused: failed, with the status."""
    made, plan = rig(kind, tmp_path), a_plan(kind)
    assert made.server is not None
    with made.running() as target:
        for ask in (target.execute, target.dry_run, target.status):
            made.server.then(FINAL[trouble])
            report = ask(plan)
            assert report.state is FAILED
            assert trouble in report.text
        made.server.then(FINAL[trouble])
        assert target.verify(plan).state is UNCLEAR
        made.server.then(FINAL[trouble])
        assert target.serving(NAME, "production") is None
        assert made.changes() == 0


@pytest.mark.parametrize("kind", OVER_HTTP)
@pytest.mark.parametrize("ask", ["dry_run", "status", "verify"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_question_that_is_not_answered_is_unclear(kind, ask, trouble, tmp_path):
    """At each request that it takes; and nothing is changed by asking."""
    for at in range(requests_of(kind, tmp_path, a_plan(kind), ask)):
        made, plan = rig(kind, tmp_path), a_plan(kind)
        assert made.server is not None
        with made.running() as target:
            made.server.then(*[Trouble(how="pass_on")] * at, TROUBLES[trouble])
            report = getattr(target, ask)(plan)
            assert report.state is UNCLEAR, (at, report)
            assert made.changes() == 0


@pytest.mark.parametrize("kind", OVER_HTTP)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 500])
def test_secrets_that_are_sent_back_are_not_shown(kind, status, tmp_path):
    """A system, or something in front of it, that repeats all it was sent."""
    made, plan = rig(kind, tmp_path), a_plan(kind)
    assert isinstance(made.server, ReceiverServer)
    made.server.echo = status
    with made.running() as target:
        shown = [repr(target), repr(vars(target))]
        for ask in (target.dry_run, target.execute, target.status, target.verify):
            report = ask(plan)
            assert report.state in (FAILED, UNCLEAR)
            shown += [report.text, repr(report)]
    for text in shown[:1] + shown[2:]:
        assert MARK not in text
        assert MARK[:12] not in text
