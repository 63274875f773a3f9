"""What labels say of a model, and of the labellers: from rows as the tables keep them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from incident_rows import incident_row
from label_rows import NOON, annotation_row, label_row, task_row

from monitor.labelling.quality import QualityReport, quality_of
from monitor.labelling.quality_json import plain
from monitor.labelling.quality_labellers import labeller_quality
from monitor.labelling.quality_model import quality_on, standing_for
from monitor.labelling.quality_suspects import Suspicion, suspects
from monitor.labelling.quality_values import Drawn, LabelledRecord, Said, TaskState
from monitor.labelling.quality_words import of_labellers, of_model
from monitor.settings.schema import Settings, WatchedModel
from monitor.store.database import Sessions, open_engine
from monitor.store.tables import ActionRow
from vigil.types import WHOLE, Slice

NORTH = Slice((("site", "north"),))


@pytest.fixture
def sessions(sqlite_url: str) -> Iterator[Sessions]:
    engine = open_engine(sqlite_url)
    yield Sessions(engine)
    engine.dispose()


@pytest.fixture
def both(database_url: str) -> Iterator[Sessions]:
    engine = open_engine(database_url)
    yield Sessions(engine)
    engine.dispose()


def record(name: str, **changed: Any) -> LabelledRecord:
    values: dict[str, Any] = {
        "record_id": name,
        "version": "v1",
        "cell": {"site": "north"},
        "prediction": 3,
        "confidence": 0.8,
        "label": 3,
        "predicted_at": NOON,
        "arrived_at": NOON,
    }
    return LabelledRecord(**(values | changed))


def report(sessions: Sessions, **watched: Any) -> QualityReport:
    settings = Settings(models=(WatchedModel(name="reader", **watched),))
    with sessions() as session:
        return quality_of(
            session, settings, "reader", "production", since=NOON - timedelta(days=30), now=NOON
        )


def test_what_was_chosen_for_its_score_says_nothing_of_the_rest(sessions: Sessions) -> None:
    """Forty labels drawn at random stand for the traffic; sixty difficult ones are left out."""
    with sessions.begin() as session:
        for k in range(40):
            session.add(task_row(f"drawn-{k}", inclusion=0.1 if k < 36 else 0.4))
            session.add(label_row(f"drawn-{k}", right=k < 36))
        for k in range(60):
            session.add(task_row(f"hard-{k}", inclusion=None))
            session.add(label_row(f"hard-{k}", right=False))
    found = report(sessions).quality
    assert found.whole is not None
    assert (found.whole.basis, found.whole.records, found.chosen) == (Drawn.DAILY, 40, 60)
    assert found.whole.quality.accuracy.value == pytest.approx(360 / (360 + 10))
    assert "Left out: 60 labels of records that were chosen" in " ".join(of_model(found))


def test_labels_that_came_by_themselves_count_where_none_was_drawn(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.add_all([label_row(f"a-{k}", right=k % 4 > 0) for k in range(40)])
        session.add(label_row("old", right=False, predicted_at=NOON - timedelta(days=31)))
        session.add(label_row("other", right=False, model="other"))
    found = report(sessions).quality
    assert found.whole is not None
    assert (found.whole.basis, found.whole.records) == (Drawn.ARRIVED, 40)
    assert found.whole.quality.accuracy.value == 0.75
    assert [str(one.slice) for one in found.slices] == ["site=north"]


def test_an_incidents_draw_stands_for_its_own_slice_only(both: Sessions) -> None:
    """An incident's picks know the new site; of all traffic they know nothing."""
    sessions = both
    with sessions.begin() as session:
        incident = incident_row(NOON - timedelta(days=1))
        session.add(incident)
        session.flush()
        action = _action(incident.id)
        session.add(action)
        session.flush()
        for k in range(35):
            session.add(task_row(f"i-{k}", action_id=action.id, slice="site=north"))
            session.add(label_row(f"i-{k}", right=k < 20))
    found = report(sessions).quality
    assert found.whole is None
    assert [(str(one.slice), one.basis) for one in found.slices] == [("site=north", Drawn.INCIDENT)]
    assert next(of_model(found)) == "No label can stand for all traffic yet."


def test_none_of_the_classes_is_a_wrong_answer(sessions: Sessions) -> None:
    """Such a label is in no table of labels, and counts all the same."""
    with sessions.begin() as session:
        session.add_all([task_row(f"t-{k}", label=-1 if k < 10 else 3) for k in range(40)])
    found = report(sessions).quality
    assert found.whole is not None
    assert found.whole.quality.accuracy.value == pytest.approx(0.75)
    assert found.response == 1.0


def test_metadata_that_makes_no_slice_makes_none(sessions: Sessions) -> None:
    """A picked record carries all its metadata; slices are by the keys of predictions."""
    with sessions.begin() as session:
        session.add_all([label_row(f"a-{k}") for k in range(5)])
        data = {"prediction": 3, "top": [[3, 0.8]], "metadata": {"site": "north", "shot": "77"}}
        session.add(task_row("none", label=-1, data=data))
    assert [str(one.slice) for one in report(sessions).quality.slices] == ["site=north"]


def test_a_model_without_labels_has_no_quality(sessions: Sessions) -> None:
    found = report(sessions)
    assert (found.quality.whole, found.quality.slices, found.suspects) == (None, (), ())
    assert list(of_labellers(found.labellers)) == ["No labeller has answered yet."]
    assert plain(found)["quality"]["whole"] is None


def test_labellers_are_held_to_gold_items_to_each_other_and_to_themselves(
    sessions: Sessions,
) -> None:
    """Ann knows the gold items and bo does not; bo changes his mind about an image."""
    with sessions.begin() as session:
        for k in range(12):
            gold = k < 4
            row = task_row(f"r-{k}", gold=gold, gold_label=3 if gold else None)
            session.add(row)
            session.flush()
            session.add(annotation_row(row, "ann", 3))
            session.add(annotation_row(row, "bo", 5 if k % 2 else 3))
        again = task_row("r-11", batch="daily-2")
        session.add(again)
        session.flush()
        session.add(annotation_row(again, "bo", 3))
        session.add(task_row("waits", state="queued", label=None, labelled_at=None))
    found = report(sessions, class_names=tuple("zero one two three four five".split()))
    people = {one.name: one for one in found.labellers.people}
    assert people["ann"].gold is not None
    assert people["bo"].gold is not None
    assert (people["ann"].gold.value, people["bo"].gold.value) == (1.0, 0.5)
    assert people["bo"].again is not None
    assert people["bo"].again.value == 0.0
    assert people["ann"].median_lead_s == 6.0
    assert found.labellers.alpha is not None
    assert found.labellers.alpha.images == 12
    (pair,) = found.labellers.pairs
    assert (pair.first, pair.second, pair.agreement.agreed) == ("ann", "bo", 0.5)
    flow = found.labellers.flow
    assert flow.states == {"labelled": 13, "queued": 1}
    assert (flow.latency_s, flow.oldest_s) == (1800.0, 7200.0)
    assert flow.a_day == pytest.approx(25 / 7)


def test_a_labellers_last_word_on_a_task_counts() -> None:
    task = TaskState(
        task_id=1,
        record_id="r",
        state="labelled",
        drawn=Drawn.CHOSEN,
        slice="all traffic",
        picked_at=NOON,
        gold_label=3,
    )
    said = [
        Said(task_id=1, record_id="r", author="ann", label=3, at=NOON + timedelta(minutes=1)),
        Said(task_id=1, record_id="r", author="ann", label=5, at=NOON),
    ]
    found = labeller_quality([task], said, now=NOON, rng=np.random.default_rng(0))
    assert found.gold is not None
    assert (found.gold.value, found.gold.records) == (1.0, 1)


def test_suspects_carry_every_reason_and_the_most_suspicious_come_first() -> None:
    records = [record(f"r-{k}", label=k % 2, prediction=k % 2) for k in range(20)]
    records += [
        record("sure", prediction=0, label=1, confidence=0.99),
        record("unsure", prediction=0, label=1, confidence=0.55),
        record("unlike", prediction=0, label=-1, confidence=0.95),
    ]
    said = [
        Said(task_id=7, record_id="sure", author="ann", label=1, at=NOON),
        Said(task_id=7, record_id="sure", author="bo", label=0, at=NOON),
    ]
    found = suspects(records, (), said, class_names=("cat", "dog"))
    assert [one.record_id for one in found] == ["sure", "unlike"]
    assert found[0].kinds == (
        Suspicion.DISPUTED,
        Suspicion.LABEL_NOISE,
        Suspicion.CONFIDENT_ERROR,
    )
    assert found[0].reasons == (
        "labellers differ: ann dog, bo cat",
        "labelled dog, but as sure to be cat as what is labelled so",
        "predicted cat at 0.99, labelled dog",
    )
    assert found[1].reasons == ("predicted cat at 0.95, labelled none of the classes",)


def test_a_slice_is_judged_by_what_was_drawn_from_at_least_its_traffic() -> None:
    """A draw from one camera of the site does not stand for the site."""
    cell = {"site": "north", "camera": "c1"}
    narrow = Slice((("site", "north"), ("camera", "c1")))
    drawn = [
        record(f"r-{k}", cell=cell, drawn=Drawn.INCIDENT, inclusion=0.5, population=narrow)
        for k in range(30)
    ]
    assert quality_on(drawn, NORTH) is None
    assert quality_on(drawn, WHOLE) is None
    assert standing_for(drawn, narrow)[0] is Drawn.INCIDENT


def _action(incident_id: int) -> ActionRow:
    return ActionRow(
        incident_id=incident_id,
        kind="relabel",
        state="done",
        plan={},
        plan_hash="p",
        created_at=NOON,
        updated_at=NOON,
    )
