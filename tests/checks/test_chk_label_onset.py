"""Since when labels disagree."""

from __future__ import annotations

import numpy as np

from monitor.checks.label_onset import Step, step_of


def losses(before: int, after: int, *, each: int = 12, seed: int = 1):
    """Ticks and losses of labels: 5 % wrong in ``before`` ticks, 60 % in ``after`` ticks."""
    rng = np.random.default_rng(seed)
    when = np.repeat(np.arange(100, 100 + before + after), each)
    share = np.where(when < 100 + before, 0.05, 0.6)
    return when, (rng.random(len(when)) < share).astype(float)


def test_the_step_is_where_the_losses_begin():
    """Within a tick of the truth, and inside its own interval."""
    for seed in range(10):
        found = step_of(*losses(20, 8, seed=seed), upwards=True)
        assert found is not None
        assert abs(found.best - 120) <= 1
        assert found.first <= found.best <= found.last


def test_where_nothing_changed_no_step_is_seen():
    """What the evidence itself says then stands."""
    when, loss = losses(28, 0)
    assert step_of(when, loss, upwards=True) is None
    assert step_of(when[:12], loss[:12]) is None
    assert step_of(when, np.zeros(len(when))) is None


def test_labels_that_were_wrong_from_the_first_one_have_no_step():
    """A new site: chance shows a step in fewer than one of a hundred."""
    rng = np.random.default_rng(2)
    when = np.repeat(np.arange(100, 120), 2)
    draws = (rng.random((500, 40)) < 0.6).astype(float)
    assert sum(step_of(when, loss, upwards=True) is not None for loss in draws) < 5


def test_fewer_losses_are_no_onset_of_losses():
    """A model that became better did not go wrong then; its calibration may have."""
    when, loss = losses(20, 8)
    assert step_of(when, 1.0 - loss, upwards=True) is None
    assert step_of(when, 1.0 - loss) is not None


def test_ticks_without_labels_do_not_move_the_step():
    """Labels of every third tick: the step is the first tick that has bad ones."""
    when, loss = losses(20, 8, each=30)
    kept = when % 3 == 0
    assert step_of(when[kept], loss[kept], upwards=True) == Step(best=120, first=120, last=120)
