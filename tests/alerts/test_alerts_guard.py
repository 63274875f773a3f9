"""The guard names all reasons, most telling first, and lets nothing through by accident."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts.actions.guard import GuardOutcome, ReasonCode, decide
from alerts.actions.guard_facts import Approval, GuardFacts
from alerts.actions.interlock import Interlock, InterlockOutcome, judge
from alerts.actions.plan import RollbackPlan
from vigil.types import Cause, Effect

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
PLAN = RollbackPlan(
    incident_id=7,
    model="meter-reader",
    deployment="production",
    from_version="v2",
    to_version="v1",
    target="registry",
)
BETTER = Interlock(outcome=InterlockOutcome.BETTER, text="v1 is better")
NO_BETTER = Interlock(outcome=InterlockOutcome.NO_BETTER, text="v1 is no better")
UNAVAILABLE = Interlock(outcome=InterlockOutcome.UNAVAILABLE, text="no counterfactual: no pixels")
GOOD = GuardFacts(
    now=NOW,
    cause=Cause.MODEL_REGRESSION,
    plan=PLAN,
    known_good=True,
    serving="v2",
    interlock=BETTER,
)


def codes(decision, outcome):
    return [each.code for each in decision.reasons if each.outcome is outcome]


def effect(low, high, records=128):
    value = (low + high) / 2
    return Effect(value=value, low=low, high=high, tolerance=0.15, unit="KS", records=records)


def test_a_bad_release_with_a_better_target_goes():
    """And it says what speaks for it."""
    decision = decide(GOOD)
    assert decision.outcome is GuardOutcome.ALLOW
    assert codes(decision, GuardOutcome.ALLOW) == [
        ReasonCode.BEGAN_WITH_RELEASE,
        ReasonCode.TARGET_BETTER,
        ReasonCode.KNOWN_GOOD,
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cause": Cause.INPUT_FAULT}, ReasonCode.CAUSE),
        ({"cause": Cause.DOMAIN_SHIFT}, ReasonCode.CAUSE),
        ({"cause": Cause.NO_DATA}, ReasonCode.CAUSE),
        ({"cause": Cause.UNKNOWN}, ReasonCode.CAUSE),
        ({"began_with_release": False}, ReasonCode.NOT_CAUSED_BY_RELEASE),
        (
            {"cause": Cause.SERVICE_FAULT, "began_with_release": False},
            ReasonCode.NOT_CAUSED_BY_RELEASE,
        ),
        ({"interlock": NO_BETTER}, ReasonCode.NO_BETTER),
        ({"plan": None}, ReasonCode.NO_TARGET_VERSION),
        ({"known_good": False}, ReasonCode.NOT_KNOWN_GOOD),
        ({"serving": "v1"}, ReasonCode.ALREADY_SERVING),
        ({"serving": "v3"}, ReasonCode.SOMETHING_ELSE_SERVES),
        ({"stopped_by": "kim"}, ReasonCode.STOPPED),
        ({"target_configured": False}, ReasonCode.NO_TARGET),
        ({"incident_is_open": False}, ReasonCode.INCIDENT_OVER),
        ({"rollbacks_today": 3}, ReasonCode.TOO_MANY),
        ({"undeployable": "its image is gone"}, ReasonCode.NOT_DEPLOYABLE),
        ({"schemas": ("boxes-2", "boxes-1")}, ReasonCode.DIFFERENT_SCHEMA),
        ({"loop": "rollback 3 took v1 out of service"}, ReasonCode.LOOP),
    ],
)
def test_each_of_these_refuses_even_an_approved_plan(change, code):
    """One refusal is enough, and no approval overrides it."""
    approval = Approval(plan_hash=PLAN.hash, by="kim", at=NOW)
    for facts in (GOOD, replace(GOOD, approval=approval)):
        decision = decide(replace(facts, **change))
        assert decision.outcome is GuardOutcome.REFUSE
        assert codes(decision, GuardOutcome.REFUSE) == [code]
        assert decision.text
        assert not decision.needs_approval


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"interlock": None}, ReasonCode.NO_COUNTERFACTUAL),
        ({"interlock": UNAVAILABLE}, ReasonCode.NO_COUNTERFACTUAL),
        ({"automatic": False}, ReasonCode.NOT_AUTOMATIC),
        ({"provisional": True}, ReasonCode.PROVISIONAL),
        ({"data_missing": "incident 4: no windows"}, ReasonCode.DATA_MISSING),
    ],
)
def test_these_wait_for_a_person_whose_yes_is_enough(change, code):
    """Without approval it waits and says so; with one of this very plan it goes."""
    waiting = decide(replace(GOOD, **change))
    assert waiting.outcome is GuardOutcome.WAIT
    assert waiting.needs_approval
    assert codes(waiting, GuardOutcome.WAIT) == [code]
    approval = Approval(plan_hash=PLAN.hash, by="kim", at=NOW - timedelta(seconds=60))
    going = decide(replace(GOOD, **change, approval=approval))
    assert going.outcome is GuardOutcome.ALLOW
    assert going.reasons[0].text == "approved by kim"


def test_an_approval_of_another_plan_or_an_old_one_is_none():
    """It binds to the hash, and it expires."""
    other = replace(PLAN, to_version="v0")
    facts = replace(GOOD, automatic=False)
    wrong = decide(replace(facts, approval=Approval(plan_hash=other.hash, by="kim", at=NOW)))
    assert ReasonCode.APPROVAL_OF_ANOTHER_PLAN in codes(wrong, GuardOutcome.WAIT)
    old = Approval(plan_hash=PLAN.hash, by="kim", at=NOW - timedelta(seconds=3601))
    late = decide(replace(facts, approval=old))
    assert ReasonCode.APPROVAL_EXPIRED in codes(late, GuardOutcome.WAIT)
    assert late.needs_approval


def test_one_action_at_a_time_and_a_cooldown_that_ends():
    """These waits end by themselves: no approval is asked, and the end is named."""
    busy = decide(replace(GOOD, busy_with="rollback 3"))
    assert (busy.outcome, busy.needs_approval) == (GuardOutcome.WAIT, False)
    recent = NOW - timedelta(seconds=600)
    hot = decide(replace(GOOD, last_rollback_at=recent, cooldown_s=3600))
    assert (hot.outcome, hot.needs_approval) == (GuardOutcome.WAIT, False)
    assert hot.not_before == recent + timedelta(seconds=3600)
    assert "600 s ago" in hot.text
    cool = decide(replace(GOOD, last_rollback_at=recent, cooldown_s=600))
    assert cool.outcome is GuardOutcome.ALLOW


def test_a_target_that_cannot_answer_is_waited_for_and_no_approval_helps():
    """It is asked again by itself; a yes does not make it answer."""
    yes = Approval(plan_hash=PLAN.hash, by="kim", at=NOW)
    for facts in (GOOD, replace(GOOD, approval=yes)):
        decision = decide(replace(facts, target_away="no answer (ReadTimeout)"))
        assert (decision.outcome, decision.needs_approval) == (GuardOutcome.WAIT, False)
        assert codes(decision, GuardOutcome.WAIT) == [ReasonCode.TARGET_AWAY]


@pytest.mark.parametrize("schemas", [("", ""), ("boxes-2", ""), ("", "boxes-1"), ("a", "a")])
def test_a_schema_that_nobody_named_or_the_same_one_is_no_hindrance(schemas):
    """Only two that are known to differ are."""
    assert decide(replace(GOOD, schemas=schemas)).outcome is GuardOutcome.ALLOW


def test_all_reasons_are_told_with_the_most_telling_first():
    """An unfocused lens under two versions: the cause, then the counterfactual, then the rest."""
    decision = decide(
        replace(
            GOOD,
            cause=Cause.INPUT_FAULT,
            interlock=NO_BETTER,
            known_good=False,
            stopped_by="kim",
            automatic=False,
        )
    )
    assert [each.code for each in decision.reasons] == [
        ReasonCode.CAUSE,
        ReasonCode.NO_BETTER,
        ReasonCode.NOT_KNOWN_GOOD,
        ReasonCode.STOPPED,
        ReasonCode.NOT_AUTOMATIC,
    ]
    plain = decision.to_json()
    assert plain["outcome"] == "refuse"
    assert len(plain["reasons"]) == 5


def test_a_plan_is_known_by_its_content():
    """The hash is the same after a round trip and differs with any field."""
    assert RollbackPlan.from_json(PLAN.to_json()).hash == PLAN.hash
    others = {replace(PLAN, **{name: "x"}).hash for name in ("model", "from_version", "target")}
    assert len({PLAN.hash, *others, replace(PLAN, incident_id=8).hash}) == 5
    again = replace(PLAN, attempt=2)
    assert RollbackPlan.from_json(again.to_json()) == again
    assert again.hash != PLAN.hash


def test_two_installations_on_one_target_name_their_plans_apart():
    """Both have an incident 7 of the same release."""
    mine, theirs = (replace(PLAN, installation=name) for name in ("3f2a", "9c1d"))
    assert mine.id.startswith("rollback-3f2a-7-")
    assert mine.id != theirs.id


def test_a_plan_of_before_there_were_installations_keeps_its_hash_and_name():
    """An approval that waited over an upgrade is still one of this plan."""
    old = {
        "incident_id": 7,
        "model": "meter-reader",
        "deployment": "production",
        "from_version": "v2",
        "to_version": "v1",
        "target": "registry",
    }
    plan = RollbackPlan.from_json(old)
    assert plan == PLAN
    assert plan.to_json() == old
    assert plan.id == f"rollback-7-{plan.hash[:16]}"


@pytest.mark.parametrize(
    ("current", "target", "outcome"),
    [
        (effect(0.5, 0.7), effect(0.0, 0.12), InterlockOutcome.BETTER),
        (effect(0.5, 0.7), effect(0.02, 0.2), InterlockOutcome.BETTER),
        (effect(0.5, 0.7), effect(0.45, 0.7), InterlockOutcome.NO_BETTER),
        (effect(0.5, 0.7), effect(0.2, 0.3), InterlockOutcome.NO_BETTER),
        (effect(0.1, 0.2), effect(0.1, 0.3), InterlockOutcome.NO_BETTER),
        (effect(0.2, 0.9), effect(0.05, 0.4), InterlockOutcome.UNAVAILABLE),
        (None, effect(0, 0.1), InterlockOutcome.UNAVAILABLE),
        (effect(0.5, 0.7), None, InterlockOutcome.UNAVAILABLE),
    ],
)
def test_the_interlock_compares_intervals_not_estimates(current, target, outcome):
    """Better needs a clear gap and health; no better needs proof too; thin data is neither."""
    assert judge(current, target, why_unavailable="no pixels").outcome is outcome


def test_the_interlock_gives_its_figures():
    """A person can check the judgement from the sentence."""
    text = judge(effect(0.5, 0.7), effect(0.5, 0.8), current_name="v2", target_name="v1").text
    assert text == (
        "v1 is no better: on the same 128 images v1 drifts by 0.65 (0.50 to 0.80), "
        "v2 by 0.60 (0.50 to 0.70) (tolerance 0.15)"
    )


FREEZE = "release freeze S-4 until 2026-03-02 09:00 UTC (year-end)"


def test_under_a_release_freeze_it_waits_for_a_person() -> None:
    """The reason names the freeze; all that speaks for the rollback is still said."""
    decision = decide(replace(GOOD, frozen_by=FREEZE))
    assert (decision.outcome, decision.needs_approval) == (GuardOutcome.WAIT, True)
    assert decision.text == f"{FREEZE}; waits for approval"
    assert ReasonCode.TARGET_BETTER in codes(decision, GuardOutcome.ALLOW)


def test_an_approval_overrides_a_release_freeze_and_says_so() -> None:
    """A person who read the plan may roll back all the same."""
    yes = Approval(plan_hash=PLAN.hash, by="jo", at=NOW)
    decision = decide(replace(GOOD, frozen_by=FREEZE, approval=yes))
    assert decision.outcome is GuardOutcome.ALLOW
    assert f"approved by jo, in spite of the {FREEZE}" in decision.text


def test_a_release_freeze_lets_nothing_through_that_is_refused() -> None:
    """A refusal stays one, and an expired approval does not override a freeze."""
    refused = replace(GOOD, frozen_by=FREEZE, interlock=NO_BETTER)
    assert decide(refused).outcome is GuardOutcome.REFUSE
    old = Approval(plan_hash=PLAN.hash, by="jo", at=NOW - timedelta(days=1))
    waits = codes(decide(replace(GOOD, frozen_by=FREEZE, approval=old)), GuardOutcome.WAIT)
    assert waits == [ReasonCode.FROZEN, ReasonCode.APPROVAL_EXPIRED]
