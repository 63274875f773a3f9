"""One contract for every rollback target: what each makes of a plan, and of a system that moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from stub_targets.controllers import NAME
from stub_targets.rigs import KINDS, Rig, rig

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import RollbackTarget, TargetState

READY, PENDING, EXECUTED = TargetState.READY, TargetState.PENDING, TargetState.EXECUTED
CONFLICT, FAILED, UNCLEAR = TargetState.CONFLICT, TargetState.FAILED, TargetState.UNCLEAR

pytestmark = pytest.mark.parametrize("kind", KINDS)


def a_plan(kind: str, **values: Any) -> RollbackPlan:
    plan = RollbackPlan(
        incident_id=7,
        model=NAME,
        deployment="production",
        from_version="v2",
        to_version="v1",
        target=kind,
        installation="0f3c9a71",
    )
    return replace(plan, **values)


def carried_out(made: Rig, target: RollbackTarget, plan: RollbackPlan) -> None:
    """Sent, and brought to its end."""
    sent = target.execute(plan)
    assert sent.state in (EXECUTED, PENDING), sent
    made.settle()
    done = target.status(plan)
    assert done.state is EXECUTED, done


def test_a_plan_is_rehearsed_then_carried_out(kind, tmp_path):
    """A dry run changes nothing; execution does, once; the status says so."""
    made, plan = rig(kind, tmp_path), a_plan(kind)
    with made.running() as target:
        assert target.kind == kind
        assert target.dry_run(plan).state is READY
        assert target.status(plan).state is READY
        assert made.changes() == 0
        carried_out(made, target, plan)
        assert made.changes() == 1


def test_what_serves_is_told_and_verified(kind, tmp_path):
    """By what the system says, whoever did it."""
    made, plan = rig(kind, tmp_path), a_plan(kind)
    with made.running() as target:
        assert target.serving(NAME, "production") == ("v2" if made.tells else None)
        assert target.verify(plan).state is CONFLICT
        carried_out(made, target, plan)
        assert target.serving(NAME, "production") == ("v1" if made.tells else None)
        assert target.verify(plan).state is EXECUTED
        made.release("v3")
        assert target.verify(plan).state is CONFLICT
        assert target.serving(NAME, "production") == ("v3" if made.tells else None)


def test_a_plan_sent_twice_happens_once(kind, tmp_path):
    """At once, and after people moved on: what came later is not rolled back by it."""
    made, plan = rig(kind, tmp_path), a_plan(kind)
    with made.running() as target:
        carried_out(made, target, plan)
        assert target.execute(plan).state is EXECUTED
        made.release("v3")
        assert target.execute(plan).state in (EXECUTED, CONFLICT)
        assert target.dry_run(plan).state in (EXECUTED, CONFLICT)
        assert made.changes() == 1
        assert target.verify(replace(plan, to_version="v3")).state in (EXECUTED, PENDING)


def test_a_plan_that_supposes_what_is_no_longer_true_conflicts(kind, tmp_path):
    """Someone released v3 by hand: nothing is changed."""
    made, plan = rig(kind, tmp_path), a_plan(kind)
    with made.running() as target:
        assert target.dry_run(plan).state is READY
        made.release("v3")
        for ask in (target.dry_run, target.execute, target.status):
            report = ask(plan)
            assert report.state is CONFLICT, report
            assert "v3" in report.text
        assert made.changes() == 0


def test_another_installation_s_rollback_is_not_ours(kind, tmp_path):
    """What another vigil did with the same incident number is a change by someone else."""
    made, plan = rig(kind, tmp_path), a_plan(kind)
    with made.running() as target:
        carried_out(made, target, a_plan(kind, installation="77aa77aa"))
        assert target.status(plan).state is CONFLICT
        assert target.execute(plan).state is CONFLICT
        assert made.changes() == 1


def test_a_version_that_is_not_there_is_refused(kind, tmp_path):
    """A typing mistake does not take the model down."""
    made, plan = rig(kind, tmp_path), a_plan(kind, to_version="v9")
    with made.running() as target:
        report = target.execute(plan)
        assert report.state is FAILED, report
        assert "9" in report.text or "not known" in report.text or "available" in report.text
        assert made.changes() == 0
        assert target.status(a_plan(kind)).state is READY


def test_a_system_that_is_gone_between_plan_and_execution_is_told(kind, tmp_path):
    """Never a success, never an exception."""
    made, plan = rig(kind, tmp_path), a_plan(kind)
    with made.running() as target:
        assert target.dry_run(plan).state is READY
        made.gone()
        for ask in (target.execute, target.status):
            assert ask(plan).state in (FAILED, CONFLICT)
        assert target.verify(plan).state in (UNCLEAR, CONFLICT, FAILED)
        target.serving(NAME, "production")


def test_reports_hold_what_a_ledger_needs(kind, tmp_path):
    """Text for people on one line, and a receipt of texts."""
    made, plan = rig(kind, tmp_path), a_plan(kind)
    with made.running() as target:
        for report in (target.dry_run(plan), target.execute(plan), target.verify(plan)):
            assert report.text
            assert "\n" not in report.text
            assert len(report.text) < 1000
            assert all(isinstance(value, str) for value in report.receipt.values())
