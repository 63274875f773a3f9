"""Rollback targets, and people who release while a plan is being carried out."""

from __future__ import annotations

import pytest
from stub_targets.controllers import NAME
from stub_targets.rigs import SYSTEMS, requests_of, rig
from test_target_contract import CONFLICT, a_plan

from monitor.standins.reply import Request


@pytest.mark.parametrize("kind", SYSTEMS)
def test_who_releases_between_reading_and_writing_is_not_overwritten(kind, tmp_path):
    """Before each request in turn v3 is released by hand. Where the system compares and sets, v3
    stays; where that is emulated, all but the last moment is covered."""
    emulated = kind in ("mlflow", "triton")
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
    assert lost <= (1 if emulated else 0)
