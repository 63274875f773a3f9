"""Rollback targets over HTTP, and each way in which a system can fail at each of its requests."""

from __future__ import annotations

import pytest
from stub_receivers.server import Trouble
from stub_targets.rigs import OVER_HTTP, Rig, requests_of, rig
from test_target_contract import CONFLICT, EXECUTED, FAILED, PENDING, READY, UNCLEAR, a_plan

from alerts.actions.targets.protocol import RollbackTarget

TROUBLES = {
    "401": Trouble(status=401, body=b"{}"),
    "429": Trouble(status=429, headers={"Retry-After": "1"}, body=b"{}"),
    "500": Trouble(status=500, body=b"oops"),
    "500 after doing it": Trouble(status=500, body=b"oops", does=True),
    "no answer": Trouble(how="drop"),
    "no answer after doing it": Trouble(how="drop", does=True),
    "half an answer after doing it": Trouble(how="reset", does=True),
    "a login page": Trouble(body=b"<!doctype html><title>Log in</title>"),
    "an empty answer": Trouble(body=b""),
    "another shape": Trouble(body=b'{"metadata": [], "registered_model": 3, "spec": "x"}'),
}


def troubled(kind: str, folder, at: int, trouble: Trouble, timeout_s: float = 5.0) -> None:
    """Trouble at one request of an execution: afterwards it is carried out, once."""
    made, plan = rig(kind, folder), a_plan(kind)
    assert made.server is not None
    with made.running(timeout_s=timeout_s) as target:
        made.server.then(*[Trouble(how="pass_on")] * at, trouble)
        first = target.execute(plan)
        assert first.state in (UNCLEAR, FAILED, EXECUTED, PENDING, CONFLICT), first
        if first.state in (FAILED, CONFLICT):
            assert made.changes() == 0, "it said no, and did it"
        if first.state in (EXECUTED, PENDING):
            assert made.changes() == 1, "it said yes, and did not"
        made.server.troubles.clear()
        recovered(made, target, kind)


def recovered(made: Rig, target: RollbackTarget, kind: str) -> None:
    """As the service goes on: ask, and send again only what was not carried out."""
    plan = a_plan(kind)
    if target.status(plan).state is READY:
        target.execute(plan)
    made.settle()
    report = target.status(plan)
    assert report.state is EXECUTED, report
    assert target.verify(plan).state is EXECUTED
    assert made.changes() == 1


@pytest.mark.parametrize("kind", OVER_HTTP)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_at_any_request_ends_with_one_rollback(kind, trouble, tmp_path):
    """An answer that is lost, broken or not the system's is neither a success nor a repeat."""
    for at in range(requests_of(kind, tmp_path, a_plan(kind), "execute")):
        troubled(kind, tmp_path, at, TROUBLES[trouble])


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_system_that_hangs_is_unclear_and_asked_again(kind, tmp_path):
    for at in range(requests_of(kind, tmp_path, a_plan(kind), "execute")):
        troubled(kind, tmp_path, at, Trouble(how="hang"), timeout_s=0.3)
