"""Windows come in exactly once, and what is wrong with one harms no other."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import numpy as np
import pytest
import stored
from sqlalchemy import func, select

from monitor.ingest.receipts import Receipt
from monitor.services import Services
from monitor.store import baselines, windows
from monitor.store.tables import (
    LedgerIdRow,
    RejectionRow,
    ReleaseRow,
    SourceRow,
    WindowRow,
)
from vigil.types import ModelRef
from vigil.windows import wire
from vigil.windows.baseline import Baseline
from vigil.windows.window import Window

V2 = ModelRef(name="digits", version="v2")


@pytest.fixture
def baseline(services: Services) -> Baseline:
    made = stored.baseline()
    with services.sessions.begin() as session:
        baselines.add(session, made)
    return made


def send(services: Services, *sent: Window, **how: str) -> list[Receipt]:
    return services.ingest.windows([one.to_bytes() for one in sent], **how)  # type: ignore[arg-type]


def statuses(receipts: list[Receipt]) -> list[str]:
    return [receipt.status for receipt in receipts]


def count(services: Services, table: type) -> int:
    with services.sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def rejections(services: Services) -> dict[str, int]:
    with services.sessions() as session:
        return {row.reason: row.count for row in session.scalars(select(RejectionRow))}


def test_window_comes_back_as_it_was_sent(services: Services, baseline: Baseline) -> None:
    """Every number of the summary survives the database."""
    sent = stored.window(5, dropped={"queue full": 7})
    assert statuses(send(services, sent)) == ["accepted"]
    with services.sessions() as session:
        (found,) = windows.unjudged(session, until=stored.NOON)
    assert (found.source, found.boot, found.sequence) == sent.key
    assert (found.model, found.start, found.end) == (sent.model, sent.start, sent.end)
    assert (found.ruler, found.verified, found.origin) == (baseline.ruler.id, True, "live")
    assert (found.records, found.dropped, found.dropped_by) == (9, 7, {"queue full": 7})
    assert found.summary.cells == sent.summary.cells
    for name, array in sent.summary.to_arrays().items():
        assert np.array_equal(found.summary.to_arrays()[name], array), name


def test_window_counts_once(services: Services, baseline: Baseline) -> None:
    """Sent twice in one request and again in another, it is stored once and says so."""
    one = stored.window(1)
    assert statuses(send(services, one, one)) == ["accepted", "duplicate"]
    assert statuses(send(services, one, stored.window(2))) == ["duplicate", "accepted"]
    assert count(services, WindowRow) == 2


def test_senders_at_the_same_time_store_a_window_once(
    services: Services, baseline: Baseline
) -> None:
    """Of simultaneous copies exactly one is accepted."""
    sent = [stored.window(i) for i in range(8)]
    answers: list[list[Receipt]] = []
    threads = [Thread(target=lambda: answers.append(send(services, *sent))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for answer in answers for status in statuses(answer)) == (
        ["accepted"] * 8 + ["duplicate"] * 24
    )
    assert count(services, WindowRow) == 8


def test_damaged_bytes_are_rejected_alone(services: Services, baseline: Baseline) -> None:
    """Garbage, a cut-off window and something else are refused; the good window gets in."""
    good = stored.window(1).to_bytes()
    blobs = [b"", b"garbage", good[:-7], wire.pack({"what": "other"}, {}), good]
    receipts = services.ingest.windows(blobs)
    assert statuses(receipts) == ["rejected"] * 4 + ["accepted"]
    assert all(receipt.reason.startswith("malformed: ") for receipt in receipts[:4])
    assert rejections(services) == {"malformed": 4}


def test_window_from_the_future_is_rejected(services: Services, baseline: Baseline) -> None:
    """A clock that runs ahead within the limit is accepted, beyond it refused and counted."""
    limit = timedelta(seconds=services.settings.service.max_future_s)
    near = stored.window(1, end=stored.NOON + limit)
    far = stored.window(2, end=stored.NOON + limit + timedelta(seconds=1))
    receipts = send(services, near, far)
    assert statuses(receipts) == ["accepted", "rejected"]
    assert receipts[1].reason.startswith("from the future: expected an end before 2026-11-20 12:05")
    assert rejections(services) == {"from the future": 1}


def test_old_window_is_history_only(services: Services, baseline: Baseline) -> None:
    """What retention would delete at once is refused live, and taken in as history."""
    old = stored.window(1, end=stored.NOON - timedelta(days=31))
    assert send(services, old)[0].reason.startswith("older than retention")
    assert statuses(send(services, old, origin="backfill")) == ["accepted"]


def test_window_without_known_ruler_is_kept_unverified(services: Services) -> None:
    """Without a baseline a window is stored and shown, but marked as not to be judged."""
    send(services, stored.window(1))
    with services.sessions() as session:
        (found,) = windows.unjudged(session, until=stored.NOON)
    assert found.verified is False


def test_window_of_a_retired_baseline_is_unverified(services: Services, baseline: Baseline) -> None:
    """After a new baseline was accepted, windows measured with the old ruler are not judged."""
    with services.sessions.begin() as session:
        baselines.add(session, stored.baseline(seed=9))
    send(services, stored.window(1, measured=baseline.ruler))
    send(services, stored.window(2, measured=stored.ruler(seed=9)))
    with services.sessions() as session:
        found = windows.unjudged(session, until=stored.NOON)
    assert {window.sequence: window.verified for window in found} == {1: False, 2: True}


def test_ruler_of_another_model_is_rejected(services: Services, baseline: Baseline) -> None:
    """A window that claims another model's ruler names both models in the reason."""
    wrong = stored.window(1, model=V2, measured=baseline.ruler)
    (receipt,) = send(services, wrong)
    assert receipt.status == "rejected"
    assert receipt.reason.startswith("ruler of another model: expected the ruler of digits@v2")
    assert receipt.reason.endswith("of digits@v1")


def test_ruler_of_another_layout_is_rejected(services: Services, baseline: Baseline) -> None:
    """A summary with other axes than its ruler's would be added to what it does not fit."""
    wrong = stored.window(1, measured=stored.ruler(features=4))
    object.__setattr__(wrong, "ruler", baseline.ruler.id)
    assert send(services, wrong)[0].reason.startswith("ruler of another layout")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda w: w.summary.counts.__setitem__((0, 0, 0), 10**6), "bins of a signal"),
        (lambda w: w.summary.records.__setitem__(0, -1), "negative"),
        (lambda w: w.summary.embedded.__setitem__(0, 99), "more embeddings"),
        (lambda w: w.ledger.cell.__setitem__(0, 77), "names a cell"),
        (lambda w: w.ledger.counter.__setitem__(0, 2**63 + 1), "counter is out of range"),
        (lambda w: object.__setattr__(w, "source", ""), "bad name: source"),
        (lambda w: object.__setattr__(w, "source", "a\x00b"), "bad name: source"),
        (lambda w: object.__setattr__(w, "source", "x" * 201), "bad name: source"),
        (lambda w: object.__setattr__(w, "sequence", 2**64), "sequence"),
        (
            lambda w: object.__setattr__(w.sample, "embedding", np.zeros(4, np.float16)),
            "sample.embedding: expected 2 dimensions",
        ),
        (
            lambda w: object.__setattr__(w.sample, "uris", ("\ud800",) * 4),
            "expected text",
        ),
        (
            lambda w: object.__setattr__(w.sample, "metadata", (["x"],) * 4),
            "sample.metadata: expected a mapping",
        ),
    ],
)
def test_window_whose_numbers_disagree_is_rejected(
    lone_services: Services, spoil: object, reason: str
) -> None:
    """What can't be true, or would spoil what is stored with it, is refused; the rest gets in."""
    bad, good = stored.window(1), stored.window(2)
    spoil(bad)  # type: ignore[operator]
    receipts = send(lone_services, bad, good)
    assert statuses(receipts) == ["rejected", "accepted"]
    assert reason in receipts[0].reason


def test_sources_are_seen_alive(services: Services, baseline: Baseline) -> None:
    """A source's last window moves on, also by heartbeats; its last record does not."""
    later = stored.NOON + timedelta(seconds=60)
    send(services, stored.window(1))
    send(services, stored.window(2, end=later, records=0, cells=()))
    send(services, stored.window(0, end=stored.NOON - timedelta(hours=1)))
    with services.sessions() as session:
        row = session.get(SourceRow, ("cam.host-1", "digits", "production"))
    assert row is not None
    assert (row.last_window_at, row.last_record_at) == (later, stored.NOON)
    assert row.first_seen_at == stored.NOON - timedelta(seconds=60)


def test_history_does_not_make_a_source_alive(services: Services, baseline: Baseline) -> None:
    """A source of back-filled windows would otherwise soon count as silent."""
    send(services, stored.window(1), origin="backfill")
    assert count(services, SourceRow) == 0


def test_new_version_is_an_observed_release(services: Services, baseline: Baseline) -> None:
    """Nobody announced v2: its first window with records does; v1 again does not."""
    at = stored.NOON
    send(services, stored.window(1))
    send(services, stored.window(2, model=V2, end=at + timedelta(seconds=120)))
    send(services, stored.window(3, end=at + timedelta(seconds=180)))
    send(services, stored.window(4, model=V2, end=at + timedelta(seconds=60)))
    with services.sessions() as session:
        found = session.scalars(select(ReleaseRow).order_by(ReleaseRow.started_at)).all()
    assert [(row.version, row.previous, row.origin) for row in found] == [
        ("v1", None, "observed"),
        ("v2", "v1", "observed"),
    ]
    assert found[1].started_at == at


def test_chosen_ids_are_indexed(services: Services, baseline: Baseline) -> None:
    """An id that comes twice stays with its first window; one too long to index does no harm."""
    first = stored.window(1, ids=["a", "b", "c"], records=1)
    again = stored.window(2, ids=["c", "d", "e" * 300], records=1)
    assert statuses(send(services, first, again)) == ["accepted", "accepted"]
    with services.sessions() as session:
        rows = {row.record_id: row for row in session.scalars(select(LedgerIdRow))}
        places = {row.id: row.sequence for row in session.scalars(select(WindowRow))}
    assert {one: places[row.window_id] for one, row in rows.items()} == {
        "a": 1,
        "b": 1,
        "c": 1,
        "d": 2,
    }


def test_judged_windows_do_not_come_again(services: Services, baseline: Baseline) -> None:
    """What a tick counted is not handed out again, and is found by its tick."""
    send(services, *(stored.window(i, end=stored.NOON - timedelta(minutes=i)) for i in range(4)))
    with services.sessions() as session:
        due = windows.unjudged(session, until=stored.NOON - timedelta(minutes=1))
    assert [window.sequence for window in due] == [3, 2, 1]
    with services.sessions.begin() as session:
        windows.mark_judged(session, [window.id for window in due], 17)
    with services.sessions() as session:
        left = windows.unjudged(session, until=stored.NOON)
        counted = windows.judged_by(session, 17)
    assert [window.sequence for window in left] == [0]
    assert [window.sequence for window in counted] == [3, 2, 1]


def test_windows_between_two_times(services: Services, baseline: Baseline) -> None:
    """A window belongs to the span in which it ended: after its start, up to its end."""
    send(services, *(stored.window(i, end=stored.NOON - timedelta(minutes=i)) for i in range(4)))
    send(services, stored.window(9, model=ModelRef(name="other", version="v1")))
    start, end = stored.NOON - timedelta(minutes=2), stored.NOON
    with services.sessions() as session:
        found = windows.between(session, "digits", "production", start, end)
        none = windows.between(session, "digits", "production", start, end, version="v9")
    assert [window.sequence for window in found] == [1, 0]
    assert none == []


def test_metrics_count_what_came(services: Services, baseline: Baseline) -> None:
    """Inferences, drops and windows are counted once; duplicates are not inferences."""
    one = stored.window(1, dropped={"queue full": 2})
    send(services, one, one)
    services.ingest.windows([b"junk"])
    text = services.metrics.text().decode()
    model = 'deployment="production",model="digits"'
    assert f'vigil_inferences_total{{{model},version="v1"}} 9.0' in text
    assert f'vigil_records_dropped_total{{{model},source="cam.host-1"}} 2.0' in text
    for status in ("accepted", "duplicate", "rejected"):
        assert f'vigil_windows_ingested_total{{status="{status}"}} 1.0' in text
    assert f'vigil_latency_seconds{{{model},quantile="0.99",version="v1"}}' in text


def test_empty_request_is_nothing(lone_services: Services) -> None:
    """No blobs, no receipts, no part."""
    assert lone_services.ingest.windows([]) == []
    assert lone_services.samples.parts() == []
