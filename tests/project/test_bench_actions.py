"""The benchmark of the actions: one pair of faults through the real service, and its judgement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.actions import learned as learning
from bench.actions import play as playing
from bench.actions.faults import Action, library
from bench.actions.judge import Judged, judge, summary
from bench.actions.learned import learn
from bench.actions.page import write
from bench.actions.play import play
from bench.actions.relabel_loop import Gain
from bench.actions.results import Kept

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A service that knows little, but enough for a large fault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "BASELINE_WINDOWS", 12)
        patch.setattr(playing, "LASTS", 14)
        yield learn(3, tmp_path_factory.mktemp("learned"), windows=205)


def test_a_camera_turned_after_a_good_release_is_not_the_releases_doing(learned, tmp_path):
    """It looks like a regression until the images are replayed: then v1 is no better, nothing is
    rolled back, and images of that camera are queued."""
    (fault,) = [one for one in library() if one.name == "release+turned"]
    played = play(fault, learned, tmp_path)
    found = judge(fault, played, 3)
    assert played.serves == "v2"
    assert (found.cause, found.action) == ("domain_shift", "relabel")
    assert not found.harmful
    assert "no_better" in found.refused
    assert found.seconds_to_answer is not None


def test_the_library_is_large_and_its_names_are_its_own():
    """At least 24 faults, each kind of action among them."""
    names = [one.name for one in library()]
    assert len(names) == len(set(names)) >= 24
    assert {one.action for one in library()} == set(Action)
    assert all((one.cause is None) == (one.action is Action.NONE) for one in library())


def judged(**changes) -> Judged:
    right = Judged(
        name="defocus",
        group="camera",
        seed=1,
        right_cause="input_fault",
        cause="input_fault",
        further=(),
        cause_is_right=True,
        right_action="page",
        action="page",
        action_is_right=True,
        harmful=False,
        missed=False,
        false_incidents=0,
        refused=("cause",),
        seconds_to_detect=4.0,
        seconds_to_answer=5.0,
        seconds_to_recover=None,
    )
    return replace(right, **changes)


def test_the_figures_count_what_went_wrong():
    """One harmful rollback among four, with the wrong cause."""
    harmful = judged(
        cause="model_regression",
        cause_is_right=False,
        action="rollback",
        action_is_right=False,
        harmful=True,
    )
    found = summary([judged(), judged(seed=2), judged(seed=3), harmful])
    assert (found["harmful_rollbacks"], found["missed_rollbacks"]) == (1, 0)
    assert (found["cause_accuracy"], found["action_accuracy"]) == (0.75, 0.75)
    assert found["cause_confusion"] == {"input_fault": {"input_fault": 3, "model_regression": 1}}


def test_results_are_kept_and_the_page_tells_of_them(tmp_path):
    """A run that was cut off goes on; what was wrong is on the page."""
    path = tmp_path / "actions.json"
    kept = Kept(path)
    kept.add(judged())
    kept.add(judged(seed=2, action="rollback", action_is_right=False, harmful=True))
    kept.gained(
        Gain(
            seed=0,
            before=0.3,
            picked=0.7,
            random=0.6,
            old_before=0.97,
            old_picked=0.96,
            old_random=0.96,
        )
    )
    again = Kept(path)
    assert again.has("defocus", 2)
    assert not again.has("defocus", 3)
    assert again.document["harmful_rollbacks"] == 1
    page = tmp_path / "actions.md"
    write(again.document, page=page)
    text = page.read_text()
    assert "1 of 2; **input fault, rollback**" in text
    assert "+40.0 points" in text
