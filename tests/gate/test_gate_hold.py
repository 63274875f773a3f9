"""What a gate lets pass, stops, and does not decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gate_tables import table

from monitor.gate.errors import GateError
from monitor.gate.evaluation import aligned, evaluation
from monitor.gate.hold import hold
from monitor.gate.report import Check, GateOutcome, GateReport
from monitor.gate.scenarios import Scenario, Suite
from monitor.settings.gate import Gate
from monitor.settings.schema import Guardrail

PASS, FAIL, UNSURE = GateOutcome.PASS, GateOutcome.FAIL, GateOutcome.INCONCLUSIVE


def held(candidate: dict[str, Any], control: dict[str, Any], **rules: Any) -> GateReport:
    options = {name: rules.pop(name) for name in ("guardrails", "suite") if name in rules}
    return hold(
        evaluation(candidate, name="v2"),
        evaluation(control, name="v1"),
        Gate.model_validate(rules),
        **options,
    )


def one(report: GateReport, family: str, name: str = "") -> Check:
    found = [each for each in report.checks if each.family == family and name in each.name]
    assert len(found) == 1, [each.name for each in report.checks]
    return found[0]


def test_an_equal_candidate_passes_everything() -> None:
    report = held(table(1), table(2), by=("site",))
    assert report.outcome is PASS
    assert {each.family.value for each in report.checks} == {
        "accuracy",
        "slice",
        "calibration",
        "latency",
        "cost",
    }


def test_a_candidate_that_lost_five_points_fails() -> None:
    report = held(table(1, worse=0.06), table(2))
    check = one(report, "accuracy")
    assert (check.outcome, report.outcome, report.exit_code) == (FAIL, FAIL, 1)
    assert check.low is not None
    assert check.low > 0.01


def test_a_loss_on_one_site_hides_in_the_average_and_fails_its_slice() -> None:
    report = held(table(1, worse=0.12, worse_in="north"), table(2), by=("site",), margin=0.1)
    assert one(report, "accuracy").outcome is PASS
    assert one(report, "slice", "north").outcome is FAIL
    assert one(report, "slice", "south").outcome is PASS


def test_too_few_records_are_no_answer() -> None:
    small = {name: values[:60] for name, values in table(1, worse=0.02).items()}
    before = {name: values[:60] for name, values in table(2).items()}
    report = held(small, before)
    assert (one(report, "accuracy").outcome, report.exit_code) == (UNSURE, 3)


def test_a_guardrail_that_the_evaluation_lacks_is_no_answer() -> None:
    """Slices by column are skipped where they are thin; those that someone named are not."""
    rails = (Guardrail(slice="site=west", margin=0.02), Guardrail(signal="brightness", margin=0.1))
    report = held(table(1), table(2), guardrails=rails)
    check = one(report, "slice")
    assert (check.name, check.outcome, check.records) == ("site=west", UNSURE, 0)
    assert report.outcome is UNSURE


def test_overconfidence_fails_calibration_and_nothing_else() -> None:
    report = held(table(1, sure=0.12), table(2))
    assert one(report, "calibration").outcome is FAIL
    assert one(report, "accuracy").outcome is PASS


def test_slow_answers_fail_against_the_control_and_the_budget() -> None:
    slow = table(1)
    slow["latency_s"] = slow["latency_s"] * 1.5
    report = held(slow, table(2), latency_budget_s=0.03)
    assert one(report, "latency", "rise").outcome is FAIL
    assert one(report, "latency", "budget").outcome is FAIL
    assert held(table(1), table(2), latency_budget_s=0.05).outcome is PASS


def test_dear_answers_fail() -> None:
    dear = table(1)
    dear["cost"] = dear["cost"] * 1.3
    report = held(dear, table(2), cost_budget=0.0021)
    assert one(report, "cost", "rise").outcome is FAIL
    assert one(report, "cost", "budget").outcome is FAIL


def test_a_budget_without_measurements_is_no_answer() -> None:
    """A budget that nobody measured is never taken for kept."""
    bare = {name: values for name, values in table(1).items() if name not in ("latency_s", "cost")}
    report = held(bare, table(2), latency_budget_s=0.05, cost_budget=1.0)
    assert {each.outcome for each in report.checks if each.family in ("latency", "cost")} == {
        UNSURE
    }


def wrong_ids(columns: dict[str, Any]) -> list[str]:
    predicted = columns["probabilities"].argmax(axis=1)
    return [str(each) for each in columns["id"][predicted != columns["labels"]]]


def test_one_wrong_image_fails_a_must_not_fail_scenario() -> None:
    columns = table(1)
    right = [each for each in columns["id"] if each not in set(wrong_ids(columns))]
    suite = Suite(
        pass_share=0.9,
        scenarios=(
            Scenario(name="night", ids=(*right[:40], wrong_ids(columns)[0]), must_not_fail=True),
            Scenario(name="fog", ids=tuple(right[40:80])),
            Scenario(name="north", where={"site": "north"}, pass_share=0.5),
        ),
    )
    report = held(columns, table(2), suite=suite)
    night = one(report, "scenario", "night")
    assert night.outcome is FAIL
    assert wrong_ids(columns)[0] in night.text
    assert one(report, "scenario", "fog").outcome is PASS
    assert one(report, "scenario", "north").outcome is PASS


def test_scenario_images_that_are_not_there_are_no_answer() -> None:
    suite = Suite(scenarios=(Scenario(name="gone", ids=("nobody",)),))
    report = held(table(1), table(2), suite=suite)
    assert one(report, "scenario", "gone").outcome is UNSURE


def test_records_find_each_other_by_id() -> None:
    """A shuffled control without some records gives the same pairs."""
    candidate, control = table(1), table(2)
    order = np.random.default_rng(3).permutation(len(control["id"]))[:1500]
    shuffled = {name: values[order] for name, values in control.items()}
    mine, theirs = aligned(evaluation(candidate, name="v2"), evaluation(shuffled, name="v1"))
    assert mine.ids is not None
    assert theirs.ids is not None
    assert mine.ids.tolist() == theirs.ids.tolist()
    assert len(mine) == 1500
    assert (
        "1500 records are in both"
        in hold(evaluation(candidate, name="v2"), evaluation(shuffled, name="v1"), Gate()).notes[0]
    )


def spoiled(**columns: Any) -> dict[str, Any]:
    return {**table(1), **columns}


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (spoiled(labels=table(1)["labels"][::-1]), "expected the same labels"),
        (spoiled(id=np.full(2000, "r1")), "each id once"),
        (spoiled(id=np.array([f"x{k}" for k in range(2000)])), "no id is in both"),
        (spoiled(labels=np.full(2000, -1)), "expected labels, found none"),
        (spoiled(probabilities=np.full((2000, 3), 2.0)), "values in"),
        (spoiled(latency_s=np.full(2000, -1.0)), "latency_s: expected numbers from 0"),
    ],
)
def test_what_can_not_be_compared_is_said(candidate: dict[str, Any], said: str) -> None:
    with pytest.raises(GateError, match=said):
        held(candidate, table(2))


def test_predictions_alone_are_enough_for_accuracy() -> None:
    """Texts, too; then calibration is not compared, and that is noted."""
    sides = []
    for columns in (table(1), table(2)):
        names = np.array(["cat", "dog", "owl"])
        sides.append(
            {
                "labels": names[columns["labels"]].astype(object),
                "prediction": names[columns["probabilities"].argmax(axis=1)].astype(object),
            }
        )
    report = held(*sides)
    assert [each.family.value for each in report.checks] == ["accuracy"]
    assert report.outcome is PASS
    assert "calibration is not compared" in report.notes[0]


def test_a_fair_candidate_is_rarely_failed_by_many_slices() -> None:
    """40 slices of a candidate at the control's own accuracy: none fails by chance in 30 gates."""
    failed = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n = 4000
        camera = np.array([f"c{k % 40}" for k in range(n)])
        labels = rng.integers(0, 2, n)
        sides = [np.where(rng.random(n) < 0.95, labels, 1 - labels) for _ in range(2)]
        candidate, control = ({"labels": labels, "prediction": s, "camera": camera} for s in sides)
        report = held(candidate, control, by=("camera",), margin=0.02, slice_margin=0.0)
        failed += any(
            each.outcome is FAIL for each in report.checks if each.family.value == "slice"
        )
    assert failed <= 4, "5 % of 30 are 1.5; more than 4 has probability 0.02"
