"""Rollback targets, and people who release while a plan is being carried out."""

from __future__ import annotations

import threading

import pytest
from stub_targets.controllers import NAME
from stub_targets.rigs import KINDS, SYSTEMS, requests_of, rig
from test_target_contract import CONFLICT, EXECUTED, PENDING, a_plan

from monitor.standins.reply import Request

EMULATED = ("mlflow", "triton")
SET_AT_ONCE = tuple(kind for kind in KINDS if kind not in (*EMULATED, "command"))


@pytest.mark.parametrize("kind", SYSTEMS)
def test_who_releases_between_reading_and_writing_is_not_overwritten(kind, tmp_path):
    """Before each request in turn v3 is released by hand. Where the system compares and sets, v3
    stays; where that is emulated, all but the last moment is covered."""
    lost = 0
    for at in range(requests_of(kind, tmp_path, a_plan(kind), "execute")):
        made, plan = rig(kind, tmp_path), a_plan(kind)
        assert made.server is not None
        before = made.server.dialect
        seen: list[Request] = []

        def dialect(request: Request, made=made, before=before, seen=seen, at=at):
            if len(seen) == at:
                made.release("v3")
            seen.append(request)
            return before(request)

        made.server.dialect = dialect
        with made.running() as target:
            report = target.execute(plan)
            if made.changes() == 0:
                assert report.state is CONFLICT, (at, report)
            lost += target.serving(NAME, "production") != "v3"
    assert lost <= (1 if kind in EMULATED else 0)


@pytest.mark.parametrize("kind", SET_AT_ONCE)
def test_two_who_send_the_same_plan_at_once_make_one_rollback(kind, tmp_path):
    """Two services, one of which lost its lease without knowing: both are told that it is done."""
    made, plan = rig(kind, tmp_path), a_plan(kind)
    said, at_once = [], threading.Barrier(2)

    with made.running() as target:

        def send() -> None:
            at_once.wait(10)
            said.append(target.execute(plan).state)

        senders = [threading.Thread(target=send) for _ in range(2)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(30)
    assert len(said) == 2
    assert set(said) <= {EXECUTED, PENDING}
    assert made.changes() == 1
