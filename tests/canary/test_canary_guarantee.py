"""The canary errs as rarely as it says, from labels in the database to the state in its row."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from canary_fleet import canaries_of, label, outcomes, released, started, window
from sqlalchemy import select

from monitor.services import Services
from monitor.store.tables import CanaryRow
from vigil.clock import ManualClock

TRIALS, BATCHES, UNITS = 60, 2, 300


def play(
    services: Services,
    clock: ManualClock,
    *,
    seed: int,
    old: float,
    new: float,
    margin: float,
    share: float = 0.5,
    swing: float = 0.0,
    trials: int = TRIALS,
) -> Counter[str]:
    """How ``trials`` canaries of a deployment each came out; ``swing`` of the losses comes and goes
    for both versions."""
    rng = np.random.default_rng(seed)
    names = [f"d{k}" for k in range(trials)]
    for k, name in enumerate(names):
        values = {"deployment": name, "control": "v1", "share": share}
        released(services, deployment=name)
        started(services, **values, margin=margin, alpha=0.05)
        window(services, "v2", 1.0 + k / 1000, deployment=name)
    job = canaries_of(services)
    for batch in range(BATCHES):
        weather = swing * np.sin(2.0 * np.pi * batch / BATCHES + seed)
        clock.advance(10.0)
        for name in names:
            made = outcomes(
                rng,
                UNITS,
                old=old + weather,
                new=new + weather,
                share=share,
                first=batch * UNITS,
                salt=f"{seed}-{name}",
            )
            label(services, made, deployment=name, after_s=5.0)
        clock.advance(6.0)
        job.run_due()
    with services.sessions() as session:
        rows = session.scalars(select(CanaryRow)).all()
        return Counter(row.state for row in rows)


@pytest.mark.parametrize(("share", "swing"), [(0.5, 0.0), (0.2, 0.08)])
def test_an_equal_version_is_rarely_rolled_back(
    lone: Services, clock: ManualClock, share: float, swing: float
) -> None:
    """At alpha 0.05, of 60: three expected at most; more than 8 has probability 0.003. Common
    weather is no excuse."""
    found = play(lone, clock, seed=11, old=0.15, new=0.15, margin=0.02, share=share, swing=swing)
    assert found["rollback"] <= 8, found
    assert found["void"] == 0, found


def test_a_version_at_the_margin_is_rarely_accepted(lone: Services, clock: ManualClock) -> None:
    """Ten points worse, where ten may not be accepted."""
    found = play(lone, clock, seed=12, old=0.1, new=0.2, margin=0.1)
    assert found["accept"] <= 8, found


def test_a_bad_version_is_rolled_back(lone: Services, clock: ManualClock) -> None:
    """The guarantee is not kept by saying nothing."""
    bad = play(lone, clock, seed=13, old=0.1, new=0.35, margin=0.05, trials=25)
    assert bad["rollback"] >= 23, bad
    assert bad["accept"] == 0, bad


def test_a_good_version_is_accepted(lone: Services, clock: ManualClock) -> None:
    good = play(lone, clock, seed=14, old=0.1, new=0.1, margin=0.2, trials=25)
    assert good["accept"] >= 22, good
    assert good["rollback"] <= 2, good
