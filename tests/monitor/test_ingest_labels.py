"""Labels come late and find their prediction, or are refused with a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
import stored
from sqlalchemy import select

from monitor.ingest.receipts import LabelIn, LabelReceipt
from monitor.services import Services
from monitor.store.tables import LabelRow, LabelTaskRow, RejectionRow, WindowRow


def label(services: Services, *labels: LabelIn) -> list[LabelReceipt]:
    return services.ingest.labels(labels)


def rows(services: Services) -> dict[str, LabelRow]:
    with services.sessions() as session:
        return {row.record_id: row for row in session.scalars(select(LabelRow))}


def test_label_is_joined_to_its_prediction(services: Services) -> None:
    """Record 4 of the window predicted class 4 in its cell; the label arrives an hour later."""
    services.ingest.windows([stored.window(1).to_bytes(), stored.window(2).to_bytes()])
    services.clock.advance(3600)  # type: ignore[attr-defined]
    (receipt,) = label(services, LabelIn(id="cam.host-1.b1.2004", label=7, author="ann"))
    assert receipt == LabelReceipt(id="cam.host-1.b1.2004", status="accepted")
    row = rows(services)["cam.host-1.b1.2004"]
    assert (row.prediction, row.label, row.author) == (4, 7, "ann")
    assert row.cell == {"camera": "cam-2", "site": "north"}
    assert row.confidence == pytest.approx(0.8)
    assert row.predicted_at == stored.NOON - timedelta(seconds=60)
    assert row.arrived_at == stored.NOON + timedelta(hours=1)
    assert (row.model, row.version, row.judged_by) == ("digits", "v1", None)


def test_label_by_a_chosen_id(services: Services) -> None:
    """Ids that the caller chose find their record, also when they look like ours."""
    ids = ["a", "b", "host.b1.5", *"defghi"]
    services.ingest.windows([stored.window(1, ids=ids).to_bytes()])
    receipts = label(
        services,
        LabelIn(id="b", label=1),
        LabelIn(id="host.b1.5", label=1),
        LabelIn(id="z", label=1),
    )
    assert [one.status for one in receipts] == ["accepted", "accepted", "rejected"]
    assert {name: row.prediction for name, row in rows(services).items()} == {
        "b": 1,
        "host.b1.5": 2,
    }


def test_a_label_finds_its_record_under_any_of_its_names(services: Services) -> None:
    """Ids are hashed with a salt that changes; the service does not know which one it was."""
    services.ingest.windows([stored.window(1, ids=list("abcdefghi")).to_bytes()])
    receipts = label(
        services,
        LabelIn(id="new", label=1, also=("newer", "b")),
        LabelIn(id="c", label=1, also=("other",)),
        LabelIn(id="x", label=1, also=("y",)),
    )
    assert [one.status for one in receipts] == ["accepted", "accepted", "rejected"]
    assert set(rows(services)) == {"b", "c"}


def test_first_label_stays(services: Services) -> None:
    """The same again is a duplicate; another class for the same record is refused."""
    services.ingest.windows([stored.window(1).to_bytes()])
    one = LabelIn(id="cam.host-1.b1.1000", label=3)
    other = LabelIn(id="cam.host-1.b1.1000", label=4)
    assert [r.status for r in label(services, one, one)] == ["accepted", "duplicate"]
    again = label(services, one, other)
    assert [r.status for r in again] == ["duplicate", "rejected"]
    assert again[1].reason == "already labelled otherwise: expected 3 as before, found 4"
    assert rows(services)["cam.host-1.b1.1000"].label == 3


@pytest.mark.parametrize(
    "record_id",
    ["cam.host-1.b1.99999", "cam.host-1.b2.1000", "cam.b1.1000", "1000", "..", "a.b.-1", "a.b.٣"],
)
def test_label_of_an_unknown_record_is_refused(services: Services, record_id: str) -> None:
    """And counted, with an example that names it."""
    services.ingest.windows([stored.window(1).to_bytes()])
    (receipt,) = label(services, LabelIn(id=record_id, label=1))
    assert (receipt.status, receipt.reason) == (
        "rejected",
        "unknown record: no window that came in has this record",
    )
    with services.sessions() as session:
        (row,) = session.scalars(select(RejectionRow)).all()
    assert (row.what, row.reason, row.count) == ("label", "unknown record", 1)
    assert row.example.startswith(record_id)


def test_label_that_carries_its_prediction_needs_no_ledger(services: Services) -> None:
    """What was predicted comes along, with its cell."""
    carried = LabelIn(
        id="batch-7/3",
        label=1,
        model="digits",
        version="v1",
        prediction=2,
        confidence=0.6,
        metadata={"camera": "cam-1"},
    )
    assert label(services, carried)[0].status == "accepted"
    row = rows(services)["batch-7/3"]
    assert (row.prediction, row.confidence, row.cell) == (2, 0.6, {"camera": "cam-1"})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (LabelIn(id="", label=1), "id: expected 1 to 200"),
        (LabelIn(id="x" * 201, label=1), "id: expected 1 to 200"),
        (LabelIn(id="a\x00", label=1), "id: expected 1 to 200"),
        (LabelIn(id="a", label=-1), "label: expected a class"),
        (LabelIn(id="a", label=2**31), "label: expected a class"),
        (LabelIn(id="a", label=1, prediction=1), "expected model and version"),
        (LabelIn(id="a", label=1, model="m", version="v", prediction=-1), "prediction: expected"),
        (
            LabelIn(id="a", label=1, model="m", version="v", prediction=1, confidence=1.5),
            "confidence: expected 0 to 1",
        ),
        (
            LabelIn(id="a", label=1, model="m", version="v", prediction=1, confidence=float("nan")),
            "confidence: expected 0 to 1",
        ),
    ],
)
def test_malformed_label_harms_no_other(services: Services, bad: LabelIn, reason: str) -> None:
    """It is refused with what was expected; the good one beside it is stored."""
    services.ingest.windows([stored.window(1).to_bytes()])
    receipts = label(services, bad, LabelIn(id="cam.host-1.b1.1000", label=1))
    assert [one.status for one in receipts] == ["rejected", "accepted"]
    assert reason in receipts[0].reason


def test_record_without_prediction_can_not_be_judged(services: Services) -> None:
    """Nothing was predicted, so there is nothing to be right or wrong."""
    window = stored.window(1)
    window.ledger.prediction[:] = -1
    services.ingest.windows([window.to_bytes()])
    (receipt,) = label(services, LabelIn(id="cam.host-1.b1.1000", label=1))
    assert receipt.reason == "unknown record: nothing was predicted for this record"


def test_prediction_without_confidence_is_kept(services: Services) -> None:
    """A missing confidence is stored as nought, on both databases."""
    window = stored.window(1)
    window.ledger.confidence[:] = float("nan")
    services.ingest.windows([window.to_bytes()])
    assert label(services, LabelIn(id="cam.host-1.b1.1000", label=0))[0].status == "accepted"
    assert rows(services)["cam.host-1.b1.1000"].confidence == 0.0


def test_label_after_its_ledger_is_gone_is_unknown(services: Services) -> None:
    """Retention took the ledger away: the label comes too late."""
    services.ingest.windows([stored.window(1).to_bytes()])
    with services.sessions.begin() as session:
        session.scalars(select(WindowRow)).one().ledger = None
    assert label(services, LabelIn(id="cam.host-1.b1.1000", label=0))[0].status == "rejected"


def test_many_labels_at_once(services: Services) -> None:
    """More than one statement's worth, over several windows, each joined to its own record."""
    services.ingest.windows([stored.window(i, records=200, sampled=0).to_bytes() for i in range(2)])
    ids = [f"cam.host-1.b1.{1000 * i + n}" for i in range(2) for n in range(600)]
    receipts = label(services, *(LabelIn(id=one, label=0) for one in ids))
    assert {one.status for one in receipts} == {"accepted"}
    found = rows(services)
    assert len(found) == 1200
    assert all(row.prediction == int(name.rpartition(".")[2]) % 10 for name, row in found.items())


def test_labels_of_images_picked_for_their_score_are_no_sample_of_the_traffic(
    services: Services,
) -> None:
    """Drawn at random, or there to check the labellers, they are."""
    services.ingest.windows([stored.window(1).to_bytes()])
    ids = [f"cam.host-1.b1.{1000 + n}" for n in range(4)]
    picks = [(ids[0], None, False), (ids[1], 0.2, False), (ids[2], None, True)]
    with services.sessions.begin() as session:
        for rank, (record_id, inclusion, gold) in enumerate(picks):
            session.add(
                LabelTaskRow(
                    queue="folder",
                    batch="b",
                    model="digits",
                    version="v1",
                    deployment="production",
                    slice="",
                    record_id=record_id,
                    rank=rank,
                    score=1.0,
                    reason="uncertain",
                    inclusion=inclusion,
                    gold=gold,
                    state="queued",
                    picked_at=stored.NOON,
                    data={},
                )
            )
    label(services, *(LabelIn(id=one, label=3) for one in ids))
    assert [rows(services)[one].chosen for one in ids] == [True, False, False, False]
