"""When a retraining is asked for, and what counts as help: pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from detectors.quality.estimate import Estimate, gain, mean_share
from monitor.retraining.judge import Compared, Verdict, Why, judge
from monitor.retraining.trigger import Trigger, TriggerFacts, propose_by_rule
from monitor.settings.retraining import Retraining

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def share(right: int, of: int) -> Estimate:
    return mean_share(np.arange(of) < right, np.ones(of))


def compared(before: Estimate | None, after: Estimate | None, **rest: Estimate) -> Compared:
    return Compared(slice="site=new", version="v3", before=before, after=after, **rest)


@pytest.mark.parametrize(
    ("before", "after", "verdict", "why"),
    [
        (share(60, 100), share(90, 100), Verdict.HELPED, Why.ROSE),
        (share(60, 100), share(40, 100), Verdict.DID_NOT_HELP, Why.TOO_LITTLE),
        (share(600, 1000), share(580, 1000), Verdict.UNPROVEN, Why.NOT_CLEAR),
        (share(6000, 10000), share(5800, 10000), Verdict.DID_NOT_HELP, Why.TOO_LITTLE),
        (share(60, 100), share(65, 100), Verdict.UNPROVEN, Why.NOT_CLEAR),
        (share(10, 19), share(90, 100), Verdict.UNPROVEN, Why.NO_LABELS_BEFORE),
        (None, share(90, 100), Verdict.UNPROVEN, Why.NO_LABELS_BEFORE),
        (share(60, 100), None, Verdict.UNPROVEN, Why.NO_LABELS_AFTER),
    ],
)
def test_a_retraining_is_judged_by_the_rise_on_the_slice(
    before: Estimate | None, after: Estimate | None, verdict: Verdict, why: Why
) -> None:
    found = judge(compared(before, after), least_gain=0.01)
    assert (found.verdict, found.why) == (verdict, why), found.text


def test_what_makes_the_rest_worse_did_not_help() -> None:
    rest = {"rest_before": share(950, 1000), "rest_after": share(850, 1000)}
    found = judge(compared(share(60, 100), share(90, 100), **rest), least_gain=0.01)
    assert (found.verdict, found.why) == (Verdict.DID_NOT_HELP, Why.WORSE_ELSEWHERE)
    assert "elsewhere it is worse, -10.0 points" in found.text


def test_a_verdict_says_its_figures() -> None:
    found = judge(compared(share(60, 100), share(90, 100)), least_gain=0.01)
    assert found.text.startswith(
        "helped: accuracy on site=new 60.0 % (100 labels) before, 90.0 % (100 labels) with v3: "
        "+30.0 points (+18."
    )


def test_equal_versions_are_seldom_called_help() -> None:
    """One look with a 95 % interval: at most some 2.5 % of the time, and never often."""
    rng = np.random.default_rng(9)
    helped = 0
    for _ in range(400):
        sides = [mean_share(rng.random(100) < 0.7, np.ones(100)) for _ in range(2)]
        helped += judge(compared(*sides), least_gain=0.01).verdict is Verdict.HELPED
    assert helped <= 22  # 10 expected; more than 22 has a chance below 1e-3


def test_the_gain_covers_what_it_is_about() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        before = mean_share(rng.random(80) < 0.6, np.ones(80))
        after = mean_share(rng.random(120) < 0.85, np.ones(120))
        found = gain(after, before)
        covered += found.low <= 0.25 <= found.high
    assert covered >= 274


def ask(rules: Retraining, **facts: object) -> Trigger:
    return propose_by_rule(TriggerFacts(**facts), rules, NOW).trigger  # type: ignore[arg-type]


RULES = Retraining(after_labels=50, accuracy_below=0.9, older_than_days=60.0)


def test_rules_speak_one_at_a_time_in_order() -> None:
    all_three = {
        "labelled": {7: 50, 8: 20},
        "accuracy": share(70, 100),
        "version": "v2",
        "served_since": NOW - timedelta(days=90),
        "labels_since": 5,
    }
    found = propose_by_rule(TriggerFacts(**all_three), RULES, NOW)
    assert (found.trigger, found.incident_id) == (Trigger.LABELS, 7)
    assert found.text == "50 images of incident 7 are labelled (asked for: 50)"
    assert ask(RULES, **{**all_three, "labelled": {7: 49}}) is Trigger.ACCURACY
    assert ask(RULES, **{**all_three, "labelled": {}, "accuracy": None}) is Trigger.AGE


@pytest.mark.parametrize(
    ("facts", "trigger"),
    [
        ({"accuracy": share(88, 100)}, Trigger.NOTHING),  # not surely below 90 %
        ({"served_since": NOW - timedelta(days=90)}, Trigger.NOTHING),  # nothing to learn from
        ({"labelled": {7: 99}, "under_way": 3}, Trigger.UNDER_WAY),
        ({"labelled": {7: 99}, "last_at": NOW - timedelta(days=6)}, Trigger.RESTING),
        ({"labelled": {7: 99}, "last_at": NOW - timedelta(days=8)}, Trigger.LABELS),
    ],
)
def test_rules_are_silent_without_cause(facts: dict[str, object], trigger: Trigger) -> None:
    assert ask(RULES, **facts) is trigger


def test_without_rules_nothing_is_proposed() -> None:
    assert ask(Retraining(), labelled={7: 10_000}, accuracy=share(1, 100)) is Trigger.NOTHING
