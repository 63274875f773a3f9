"""What both versions made of the same records: by their outputs, by labels, by what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_fleet as fleet

from alerts.actions.interlock import InterlockOutcome
from alerts.actions.replay import Replayed
from monitor.response.counterfactual import MISSING, Versions, judge_outputs
from vigil.measuring.summarise import sample_of
from vigil.types import WHOLE, Slice
from vigil.windows.sample import Sample

BETTER, NO_BETTER, UNAVAILABLE = InterlockOutcome
VERSIONS = Versions(
    model=fleet.MODEL,
    deployment=fleet.DEPLOYMENT,
    current=fleet.baseline("v2"),
    target=fleet.baseline("v1"),
)


def seen() -> Sample:
    """200 healthy records of v2."""
    batch, _ = fleet.world().batch(fleet.FIRST, replace(fleet.HEALTHY, version="v2"), per=50)
    return sample_of(batch, k=200, weighted=False, keep_thumbnails=True)


def given(sample: Sample, outputs: np.ndarray) -> Sample:
    classes = np.nan_to_num(outputs, nan=-1.0).argmax(axis=1).astype(np.int32)
    return replace(sample, probabilities=outputs.astype(np.float16), prediction=classes)


def healthy(sample: Sample) -> np.ndarray:
    return fleet.world().infer(fleet.embedding_of(sample.thumbnails))


def swapped(outputs: np.ndarray) -> np.ndarray:
    """Every class answers for the next: as sure as ever, in about the usual shares."""
    return np.roll(outputs, 1, axis=1)


def answered(sample: Sample, outputs: np.ndarray, *, bare: bool = False) -> Replayed:
    x = fleet.embedding_of(sample.thumbnails).astype(np.float32)
    return Replayed(
        version="v1",
        probabilities=outputs.astype(np.float32),
        embeddings=x[:, :0] if bare else x,
    )


def truth(sample: Sample) -> dict[str, int]:
    """Labels that agree with the healthy model."""
    return dict(zip(sample.ids, healthy(sample).argmax(axis=1).tolist(), strict=True))


def test_labels_tell_of_classes_that_answer_for_each_other() -> None:
    """Sure, and wrong: only the labels of these very images show it."""
    sample = seen()
    bad = given(sample, swapped(healthy(sample)))
    good = answered(sample, healthy(sample))
    found = judge_outputs(VERSIONS, bad, good, WHOLE, labels=truth(sample))
    assert found.outcome is BETTER
    assert found.text.startswith("v1 is better: on the same 200 images v1 drifts by")


def test_labels_tell_that_the_version_before_is_as_wrong() -> None:
    sample = seen()
    bad = given(sample, swapped(healthy(sample)))
    as_bad = answered(sample, swapped(healthy(sample)))
    found = judge_outputs(VERSIONS, bad, as_bad, WHOLE, labels=truth(sample))
    assert found.outcome is NO_BETTER


def test_few_labels_prove_nothing_alone() -> None:
    """Outputs that look healthy are no counterfactual, and three labels make none."""
    sample = seen()
    outputs = healthy(sample)
    few = {
        one: (int(outputs[i].argmax()) + i % 2) % fleet.CLASSES
        for i, one in enumerate(sample.ids[:3])
    }
    found = judge_outputs(VERSIONS, sample, answered(sample, outputs), WHOLE, labels=few)
    assert found.outcome is UNAVAILABLE


def test_labels_of_other_records_are_not_counted() -> None:
    sample = seen()
    outputs = healthy(sample)
    others = {f"elsewhere-{i}": 0 for i in range(200)}
    with_others = judge_outputs(VERSIONS, sample, answered(sample, outputs), WHOLE, labels=others)
    without = judge_outputs(VERSIONS, sample, answered(sample, outputs), WHOLE)
    assert with_others == without


@pytest.mark.parametrize(("share", "outcome"), [(0.0, BETTER), (1.0, NO_BETTER)])
def test_outputs_that_are_no_numbers_are_a_fault_of_their_own(share: float, outcome) -> None:
    """Half precision overflows: half of v2's outputs are NaN; v1 has none, or as many."""
    sample = seen()
    half = healthy(sample)
    half[::2] = np.nan
    theirs = healthy(sample)
    theirs[: round(share * len(sample))] = np.nan
    found = judge_outputs(VERSIONS, given(sample, half), answered(sample, theirs), WHOLE)
    assert found.outcome is outcome
    assert "0.50 (0.43 to 0.57) (tolerance 0.05)" in found.text
    assert MISSING not in found.text  # figures are told, units are the page's


def test_a_few_outputs_that_are_no_numbers_are_no_reason() -> None:
    """Within five in a hundred: another signal must speak."""
    sample = seen()
    some = healthy(sample)
    some[:3] = np.nan
    found = judge_outputs(VERSIONS, given(sample, some), answered(sample, healthy(sample)), WHOLE)
    assert found.outcome is UNAVAILABLE


def test_what_drifted_must_be_among_what_the_replay_gives() -> None:
    """Strange embeddings, and an endpoint that gives none: nothing is said of the target."""
    sample = seen()
    sample = replace(sample, embedding=(sample.embedding + 3.0).astype(np.float16))
    bare = answered(sample, healthy(sample), bare=True)
    found = judge_outputs(VERSIONS, sample, bare, WHOLE)
    assert found.outcome is UNAVAILABLE
    assert "the replay gives no embedding_distance, which is what drifted" in found.text


def test_a_slice_that_none_of_the_records_is_in_says_nothing() -> None:
    sample = seen()
    bad = given(sample, np.full_like(healthy(sample), 0.1))
    found = judge_outputs(
        VERSIONS, bad, answered(sample, healthy(sample)), Slice((("site", "nowhere"),))
    )
    assert found.outcome is UNAVAILABLE
