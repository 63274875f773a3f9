"""Boxes that people draw come back beside the model's, and say how good those are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from label_rows import NOON, task_row
from sqlalchemy import select
from web_client import TestClient

from alerts.actions.queues.box_files import drawn
from alerts.actions.queues.boxes import Box
from monitor.forget import forget
from monitor.ingest.box_labels import BoxLabelIn, LabelledBox, problem_of
from monitor.labelling import ledger, taking
from monitor.labelling.quality import quality_of
from monitor.labelling.quality_boxes import BoxRecord, box_report
from monitor.labelling.quality_values import Drawn, LabelledRecord
from monitor.labelling.quality_words import of_boxes
from monitor.services import Services, open_services
from monitor.settings.schema import Service, Settings, WatchedModel
from monitor.store import installation
from monitor.store.samples import MemorySamples
from monitor.store.tables import AnnotationRow, BoxLabelRow, LabelTaskRow
from monitor.web.app import create_app
from monitor.web.auth import create_token
from vigil.clock import ManualClock
from vigil.measuring.batch import make_batch
from vigil.measuring.generic import generic_ruler
from vigil.pipeline.recorder import Recorder
from vigil.types import Slice

N = 20
LEFT, RIGHT = (0.1, 0.1, 0.4, 0.5), (0.6, 0.2, 0.9, 0.8)


@pytest.fixture
def services(sqlite_url: str) -> Iterator[Services]:
    """A detector of which a window came: two boxes on each image, the first right."""
    opened = open_services(
        Settings(
            service=Service(database=sqlite_url),
            models=(WatchedModel(name="reader", keys=("site",)),),
        ),
        clock=ManualClock(NOON),
        samples=MemorySamples(),
    )
    boxes = np.tile(np.array([LEFT, RIGHT], np.float32), (N, 1))
    batch = make_batch(
        ids=[f"r-{i}" for i in range(N)],
        counter=np.arange(N, dtype=np.uint64),
        custom_ids=True,
        time_s=(NOON - timedelta(minutes=2)).timestamp(),
        version="v1",
        detections={
            "boxes": boxes,
            "scores": np.tile([0.9, 0.8], N),
            "classes": np.tile([0, 1], N),
            "counts": np.full(N, 2),
        },
        metadata=[{"site": "north" if i % 2 else "south"} for i in range(N)],
        task="detection",
    )
    recorder = Recorder(
        model="reader",
        deployment="production",
        source="host-1",
        boot="b1",
        keys=("site",),
        window_s=60.0,
        rulers=lambda version: generic_ruler("reader", version, ("site",), 2),
        sample_size=16,
        informative_size=0,
    )
    made = [*recorder.add(batch), *recorder.close()]
    receipts = opened.ingest.windows([one.to_bytes() for one in made])
    assert {one.status for one in receipts} == {"accepted"}, receipts
    yield opened
    opened.close()


def sampled(services: Services) -> list[str]:
    found = services.samples.read(services.samples.parts())
    assert found.objects is not None
    return sorted(found.ids)


def said(record: str, *boxes: tuple[tuple[float, float, float, float], int]) -> BoxLabelIn:
    return BoxLabelIn(
        id=record, boxes=tuple(LabelledBox(box=box, label=kind) for box, kind in boxes)
    )


def client_of(services: Services) -> TestClient:
    with services.sessions.begin() as session:
        token = create_token(session, name="ann", scope="ingest", actor="test", at=NOON)
    client = TestClient(create_app(services), base_url="http://127.0.0.1:8080")
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def test_boxes_come_in_over_the_api_beside_labels(services: Services) -> None:
    """Receipts keep the order; an empty list says that nothing is there."""
    one, other, *_ = sampled(services)
    out = next(f"r-{i}" for i in range(N) if f"r-{i}" not in sampled(services))
    labels: list[dict[str, Any]] = [
        {"id": one, "boxes": [{"box": LEFT, "label": 0}]},
        {"id": "unknown", "label": 3},
        {"id": other, "boxes": []},
        {"id": out, "boxes": []},
    ]
    client = client_of(services)
    receipts = client.post("/v1/labels", json={"labels": labels}).json()["receipts"]
    assert [(each["id"], each["status"]) for each in receipts] == [
        (one, "accepted"),
        ("unknown", "rejected"),
        (other, "accepted"),
        (out, "rejected"),
    ]
    assert receipts[3]["reason"].endswith("no boxes to compare: it was not sampled")
    with services.sessions() as session:
        row = session.scalars(select(BoxLabelRow).where(BoxLabelRow.record_id == one)).one()
    assert row.found == [
        pytest.approx([*LEFT, 0.9, 0], abs=1e-3),  # samples keep them in half precision
        pytest.approx([*RIGHT, 0.8, 1], abs=1e-3),
    ]
    assert (row.truth, row.author, row.version) == ([[*LEFT, 0]], "ann", "v1")
    assert row.inclusion is not None
    assert 0.5 < row.inclusion < 1.0  # 16 of 20 were kept


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "r-1"},
        {"id": "r-1", "label": 1, "boxes": []},
        {"id": "r-1", "boxes": [], "prediction": 1},
        {"id": "r-1", "boxes": [{"box": [0, 0, 1], "label": 1}]},
        {"id": "r-1", "boxes": [{"box": LEFT}]},
    ],
)
def test_a_label_is_a_class_or_boxes(services: Services, wrong: dict[str, Any]) -> None:
    assert client_of(services).post("/v1/labels", json={"labels": [wrong]}).status_code == 422


@pytest.mark.parametrize(
    ("box", "kind"),
    [
        ((0.5, 0.1, 0.4, 0.5), 0),
        ((0.1, 0.5, 0.4, 0.5), 0),
        ((-0.1, 0.1, 0.4, 0.5), 0),
        ((10.0, 10.0, 40.0, 50.0), 0),
        ((0.1, 0.1, float("nan"), 0.5), 0),
        (LEFT, -1),
        (LEFT, 2**31),
    ],
)
def test_a_box_that_makes_no_sense_is_told(box: tuple[float, ...], kind: int) -> None:
    problem = problem_of(said("r-1", (box, kind)))  # type: ignore[arg-type]
    assert problem is not None
    assert problem.startswith("box 1: expected")


def test_the_first_boxes_of_a_record_stay(services: Services) -> None:
    one = sampled(services)[0]
    first = said(one, (LEFT, 0))
    assert [each.status for each in services.ingest.boxes([first, first])] == [
        "accepted",
        "duplicate",
    ]
    (other,) = services.ingest.boxes([said(one, (RIGHT, 0))])
    assert (other.status, "the 1 boxes of before" in other.reason) == ("rejected", True)


def test_a_record_is_found_under_another_of_its_names(services: Services) -> None:
    """Ids leave as hashes, and the salt has changed since."""
    one = sampled(services)[0]
    renamed = replace(said("hashed-anew", (LEFT, 0)), also=("hashed-once", one))
    (receipt,) = services.ingest.boxes([renamed])
    assert (receipt.id, receipt.status) == (one, "accepted")


def test_who_is_forgotten_leaves_no_box(services: Services) -> None:
    one = sampled(services)[0]
    services.ingest.boxes([said(one, (LEFT, 0))])
    forget(services, one, actor="ann")
    with services.sessions() as session:
        assert session.scalars(select(BoxLabelRow)).all() == []


def test_what_people_drew_says_how_good_the_model_is(services: Services) -> None:
    """The left box is right on every image, the right one on none: half of what it draws is wrong,
    and of the objects at site north it misses half."""
    records = sampled(services)
    labels = []
    for record in records:
        is_north = int(record[2:]) % 2 == 1
        missed = [((0.0, 0.8, 0.1, 0.9), 0)] if is_north else []
        labels.append(said(record, (LEFT, 0), *missed))
    assert {each.status for each in services.ingest.boxes(labels)} == {"accepted"}
    with services.sessions() as session:
        found = quality_of(
            session,
            services.settings,
            "reader",
            "production",
            since=NOON - timedelta(days=1),
            now=NOON,
        ).boxes
    assert found is not None
    assert found.whole is not None
    assert found.whole.quality is not None
    assert (found.images, found.chosen, found.whole.basis) == (16, 0, Drawn.ARRIVED)
    by_slice = {str(one.slice): one for one in found.slices}
    north, south = by_slice["site=north"].quality, by_slice["site=south"].quality
    assert north is not None
    assert south is not None
    assert north.recall.value == 0.5
    assert (south.recall.value, south.precision_50.value) == (1.0, 1.0)
    assert [str(one.slice) for one in found.slices] == ["site=north", "site=south"]
    told = " ".join(of_boxes(found))
    assert "recall" in told
    assert "Below some 100 images these intervals are too narrow." in told


def a_record(name: str, *, found: int, truth: int, **values: Any) -> BoxRecord:
    plain: dict[str, Any] = {
        "record_id": name,
        "version": "v1",
        "cell": {"site": "north"},
        "prediction": -1,
        "confidence": 0.0,
        "label": -1,
        "predicted_at": NOON,
        "arrived_at": NOON,
        **values,
    }
    return BoxRecord(
        record=LabelledRecord(**plain),
        found=[[*LEFT, 0.9, 0]] * found,
        truth=[[*LEFT, 0]] * truth,
    )


def test_a_record_counts_as_often_as_it_was_unlikely_to_be_drawn() -> None:
    """One found of an image drawn with 0.1, one missed of an image that was sure to be drawn."""
    records = [
        a_record("a", found=1, truth=1, inclusion=0.1),
        a_record("b", found=0, truth=1, inclusion=1.0),
    ]
    found = box_report(records)
    assert found is not None
    assert found.whole is not None
    assert found.whole.quality is not None
    assert found.whole.quality.recall.value == pytest.approx(10 / 11)
    assert found.whole.quality.recall.effective == pytest.approx(121 / 101)
    assert found.whole.quality.recall.low <= 10 / 11 <= found.whole.quality.recall.high


def test_the_interval_covers_what_is_true() -> None:
    """A recall of 0.7, images drawn with unequal chances: 95 of 100 intervals hold it, nearly."""
    rng, held = np.random.default_rng(5), 0
    for _ in range(30):
        records = []
        for k in range(150):
            pi = 0.2 if k % 2 else 1.0
            hits = int(rng.random() < 0.7)
            records.append(a_record(f"r-{k}", found=hits, truth=1, inclusion=pi))
        report = box_report([replace(one) for one in records])
        assert report is not None
        assert report.whole is not None
        assert report.whole.quality is not None
        recall = report.whole.quality.recall
        held += recall.low <= 0.7 <= recall.high
    assert held >= 25


def test_what_was_picked_for_its_looks_stands_for_nothing() -> None:
    fair = a_record("a", found=1, truth=1)
    hard = [a_record(f"h-{k}", found=0, truth=1, drawn=Drawn.CHOSEN) for k in range(9)]
    found = box_report([fair, *hard])
    assert found is not None
    assert found.whole is not None
    assert found.whole.quality is not None
    assert (found.whole.images, found.chosen) == (1, 9)
    assert found.whole.quality.recall.value == 1.0
    only = box_report(hard)
    assert only is not None
    assert only.whole is None
    assert "No image with an object on it can stand" in " ".join(of_boxes(only))


def test_without_any_object_there_is_no_precision() -> None:
    found = box_report([a_record("a", found=1, truth=0)])
    assert found is not None
    assert found.whole is not None
    assert (found.whole.images, found.whole.objects, found.whole.quality) == (1, 0, None)
    assert box_report([]) is None


def test_a_task_says_how_its_record_was_drawn(services: Services) -> None:
    """Picked for its score: left out. Drawn from daily traffic: weighted as it was drawn."""
    one, other, third, *_ = sampled(services)
    with services.sessions.begin() as session:
        session.add(task_row(one, inclusion=None))
        session.add(task_row(other, inclusion=0.02))
    services.ingest.boxes([said(each, (LEFT, 0)) for each in (one, other, third)])
    with services.sessions() as session:
        boxes = quality_of(
            session,
            services.settings,
            "reader",
            "production",
            since=NOON - timedelta(days=1),
            now=NOON,
        ).boxes
    assert boxes is not None
    assert (boxes.images, boxes.chosen) == (3, 1)
    north = [one for one in boxes.slices if one.slice == Slice((("site", "north"),))]
    assert all(one.basis in (Drawn.DAILY, Drawn.ARRIVED) for one in north)


def test_boxes_that_a_queue_gives_back_close_their_task(services: Services) -> None:
    """The first ones count, whatever comes later; the task says why where nothing was sampled."""
    one, *_ = sampled(services)
    out = next(f"r-{i}" for i in range(N) if f"r-{i}" not in sampled(services))
    waits = {"state": "queued", "label": None, "labelled_at": None}
    with services.sessions.begin() as session:
        rows = [task_row(each, **waits) for each in (one, out)]
        session.add_all(rows)
        session.flush()
        ours = installation.of(session)
        names = [ledger.task_id(ours, row.id) for row in rows]
    said_of = [drawn(name, (Box(sides=LEFT, label=0),), NOON, author="ann") for name in names]
    later = drawn(names[0], (), NOON + timedelta(minutes=1), author="bo")
    for came in (said_of, [later], said_of):
        with services.sessions.begin() as session:
            taking.take(session, came, now=NOON, samples=services.samples)
    with services.sessions() as session:
        (row,) = session.scalars(select(BoxLabelRow)).all()
        tasks = session.scalars(select(LabelTaskRow).order_by(LabelTaskRow.id)).all()
        said_again = session.scalars(select(AnnotationRow)).all()
    assert (row.record_id, row.truth, row.author) == (one, [[*LEFT, 0]], "ann")
    assert [(task.state, task.label) for task in tasks] == [("labelled", None)] * 2
    assert [task.problem for task in tasks] == [
        "",
        "unknown record: no boxes to compare: it was not sampled",
    ]
    assert len(said_again) == 3
