"""Two rollbacks of one model, decided at the same moment by two processes: one goes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

from rsp_stage import Stage

from monitor.response import people, rollback
from monitor.response.rollback import Rollbacks


def test_of_two_rollbacks_decided_at_once_one_is_busy(stage: Stage, monkeypatch: Any) -> None:
    _, first = stage.bad_release()
    _, second = stage.propose(fingerprint="b" * 32)
    with stage.services.sessions.begin() as session:
        for action in (first, second):
            plan_hash = stage.action(action).plan_hash
            people.approve(session, action, plan_hash=plan_hash, actor="ann", at=stage.clock.now())
    barrier = Barrier(2)
    judged = rollback.decide

    def slowly(facts: Any) -> Any:
        """Both have their facts before either writes, if they can get there."""
        with suppress(BrokenBarrierError):
            barrier.wait(timeout=0.5)
        return judged(facts)

    monkeypatch.setattr(rollback, "decide", slowly)
    hands = [
        Rollbacks(stage.services, stage.announcer, stage.targets, stage.replays) for _ in range(2)
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Rollbacks.advance, hands, (first, second)))
    states = sorted(stage.action(action).state for action in (first, second))
    assert states == ["executing", "waiting"]
