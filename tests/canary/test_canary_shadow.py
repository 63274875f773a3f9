"""A shadow is compared with what serves, input by input."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from canary_fleet import DEPLOYMENT, MODEL, START, label, window
from sqlalchemy import select

from monitor.canary.shadow import Pair, compare, pairs_of
from monitor.services import Services
from monitor.store.tables import LedgerIdRow, WindowRow
from monitor.store.windows import pack_ledger
from vigil.errors import NotFoundError
from vigil.split import shadow_id
from vigil.windows.window import Ledger


def pair(control: int, shadow: int, label: int = -1) -> Pair:
    return Pair(
        control=control,
        shadow=shadow,
        control_confidence=0.9,
        shadow_confidence=0.6,
        label=label,
    )


def test_disagreements_are_counted_by_class() -> None:
    found = compare([pair(1, 1)] * 6 + [pair(1, 2)] * 3 + [pair(4, 2)])
    assert (found.pairs, found.disagree, found.share) == (10, 4, 0.4)
    assert found.changed == ((1, 2, 3), (4, 2, 1))
    assert found.confidence == pytest.approx((0.9, 0.6))
    assert (found.labelled, found.loss) == (0, None)


def test_labels_say_who_is_right() -> None:
    """20 of 100 labelled inputs are lost by the shadow: the interval is above zero."""
    found = compare([pair(1, 1, 1)] * 80 + [pair(1, 2, 1)] * 20)
    assert found.loss is not None
    assert found.loss.value == pytest.approx(0.2)
    assert found.loss.low > 0.1


def test_no_shadow_is_said(lone: Services) -> None:
    with lone.sessions() as session, pytest.raises(NotFoundError, match="shadow:"):
        pairs_of(
            session,
            model=MODEL,
            deployment=DEPLOYMENT,
            shadow="shadow",
            since=START,
        )


def answered(services: Services, deployment: str, version: str, answers: dict[str, int]) -> None:
    """A window with a ledger of these answers."""
    n = len(answers)
    ledger = Ledger(
        counter=np.arange(n, dtype=np.uint64),
        cell=np.zeros(n, np.uint16),
        prediction=np.array(list(answers.values()), np.int32),
        confidence=np.full(n, 0.8, np.float32),
        ids=tuple(answers),
    )
    blob = pack_ledger(ledger, ("site",), (("north",),))
    window(services, version, 1.0, deployment=deployment, ledger=blob, source=deployment)
    with services.sessions.begin() as session:
        window_id = session.scalars(
            select(WindowRow.id).where(WindowRow.deployment == deployment)
        ).one()
        for position, name in enumerate(answers):
            row = LedgerIdRow(record_id=name, window_id=window_id, position=position)
            session.add(row)


def test_answers_of_both_are_paired_through_the_database(lone: Services) -> None:
    """What only one of them saw is left out; labels of the input count for both."""
    answered(lone, DEPLOYMENT, "v1", {"a": 1, "b": 1, "c": 2, "alone": 3})
    shadows = {shadow_id("a"): 1, shadow_id("b"): 2, shadow_id("c"): 2, shadow_id("gone"): 1}
    answered(lone, "shadow", "v2", shadows)
    label(lone, [("b", "v1", False)])
    with lone.sessions() as session:
        since = START - timedelta(hours=1)
        pairs = pairs_of(session, model=MODEL, deployment=DEPLOYMENT, shadow="shadow", since=since)
    assert {(one.control, one.shadow, one.label) for one in pairs} == {
        (1, 1, -1),
        (1, 2, 1),
        (2, 2, -1),
    }
    found = compare(pairs)
    assert (found.pairs, found.disagree, found.labelled) == (3, 1, 1)
