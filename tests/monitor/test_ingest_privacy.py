"""What a collector sends beyond the model's privacy is not stored; its windows still count."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stored
from sqlalchemy import select

from monitor.backfill import backfill
from monitor.ingest.privacy import Withheld, within_policy
from monitor.ingest.receipts import LabelIn
from monitor.services import Services, open_services
from monitor.settings.schema import Service, Settings, WatchedModel
from monitor.store import baselines
from monitor.store.samples import MemorySamples
from monitor.store.tables import LabelRow, LedgerIdRow, RejectionRow, WindowRow
from vigil import Tap
from vigil.clock import ManualClock
from vigil.measuring.batch import make_batch
from vigil.privacy import Policy, Privacy
from vigil.privacy.hashing import is_hashed
from vigil.quality.counts import Quality
from vigil.shipping.transport import MemoryTransport
from vigil.values.png import to_png
from vigil.windows.summary import MISSING, SUMMED
from vigil.windows.window import Window

HASHED = [f"h~20000~{i:032x}" for i in range(9)]
RAW = [f"patient-{i}" for i in range(9)]
OWN = [f"cam.host-1.b1.{i}" for i in range(9)]


def loose(**changes: Any) -> Window:
    """A window as a tap sends it that keeps to nothing."""
    window = stored.window(0, ids=RAW, pixels=80)
    sample = replace(
        window.sample,
        uris=tuple(f"file://{one}" for one in window.sample.ids),
        trace_ids=tuple(f"t{one}" for one in window.sample.ids),
        pictures=tuple(to_png(image) for image in window.sample.thumbnails),
        metadata=tuple({**one, "name": "Ann"} for one in window.sample.metadata),
    )
    return replace(window, sample=sample, **changes)


@pytest.fixture
def serving(sqlite_url: str, clock: ManualClock) -> Callable[..., Services]:
    """A service whose model asks for a privacy."""
    opened: list[Services] = []

    def make(pixels: str | None = None, **privacy: Any) -> Services:
        said = {} if pixels is None else {"pixels": pixels}
        model = WatchedModel.model_validate(
            {"name": "digits", "keys": ("camera", "site"), "privacy": privacy, **said}
        )
        services = open_services(
            Settings(service=Service(database=sqlite_url), models=(model,)),
            clock=clock,
            samples=MemorySamples(),
        )
        opened.append(services)
        with services.sessions.begin() as session:
            baselines.add(session, stored.baseline())
        return services

    yield make
    for one in opened:
        one.close()


def is_untouched(window: Window, policy: Policy) -> bool:
    kept, counts = within_policy(window, policy)
    return kept.to_bytes() == window.to_bytes() and not counts


def same_sums(one: Window, other: Window) -> bool:
    return all(
        np.array_equal(getattr(one.summary, name).sum(0), getattr(other.summary, name).sum(0))
        for name in SUMMED
    )


def test_without_a_policy_a_window_is_stored_as_it_came() -> None:
    window = loose()
    assert is_untouched(window, Policy())


def test_pixels_beyond_the_policy_are_left_out() -> None:
    window, counts = within_policy(loose(), Policy(pixels="none"))
    assert not window.sample.has_thumbnails
    assert not window.has_pictures
    assert counts == {Withheld.PIXELS: 4 + 4 + 2}
    window, counts = within_policy(loose(), Policy(pixels="thumbnails"))
    assert window.sample.thumbnails.shape == (4, 40, 40, 1)
    assert not window.has_pictures
    small = replace(window, sample=stored.sample(OWN[:4], pixels=64))
    assert within_policy(small, Policy(pixels="thumbnails"))[1] == {}


def test_ids_that_are_no_hashes_become_the_taps_own_in_sample_and_ledger() -> None:
    window, counts = within_policy(loose(), Policy(ids="hash"))
    assert (window.ledger.ids, window.sample.ids) == ((), tuple(OWN[:4]))
    assert window.informative.ids == tuple(OWN[:2])
    assert counts == {Withheld.IDS: 9}
    mixed = stored.window(0, ids=[*HASHED[:8], "patient-8"])
    kept, counts = within_policy(mixed, Policy(ids="hash"))
    assert kept.ledger.ids == (*HASHED[:8], OWN[8])
    assert counts == {Withheld.IDS: 1}
    unknown = replace(mixed, sample=stored.sample(["x", "y"]))
    names = within_policy(unknown, Policy(ids="hash"))[0].sample.ids
    assert len(set(names)) == 2
    assert all(one.startswith("cam.host-1.b1.0~") for one in names)


def test_links_are_dropped_or_must_be_hashes() -> None:
    window = loose()
    window = replace(window, sample=replace(window.sample, uris=("", HASHED[0], "a", "b")))
    kept, counts = within_policy(window, Policy(uris="hash", trace_ids="drop"))
    assert kept.sample.uris == ("", HASHED[0], "", "")
    assert kept.sample.trace_ids == ("",) * 4
    assert counts == {Withheld.URIS: 2, Withheld.TRACES: 4}


def test_metadata_that_may_not_be_kept_is_missing_and_its_cells_are_added_up() -> None:
    """As from a tap that never sent it: in samples, sums, ledger and data faults."""
    window = loose(
        quality=Quality(
            counts={"black_frame": dict.fromkeys(stored.CELLS, 1), "key_new": {stored.CELLS[0]: 2}},
            examples={
                "black_frame": "dark",
                "key_new": "expected the baseline's keys, found name, site",
            },
        )
    )
    kept, counts = within_policy(window, Policy(metadata=("site",)))
    assert kept.summary.cells == ((MISSING, "north"), (MISSING, "south"))
    assert kept.summary.records.tolist() == [6, 3]
    assert same_sums(kept, window)
    assert kept.summary.layout == window.summary.layout
    assert kept.ledger.cell.tolist() == [0, 0, 1] * 3
    assert {tuple(one) for one in kept.sample.metadata} == {("site",)}
    assert kept.quality.counts["black_frame"] == {(MISSING, "north"): 2, (MISSING, "south"): 1}
    assert kept.quality.examples == {"black_frame": "dark"}
    assert counts == {Withheld.METADATA: 3 + 2 * 4 + 2}


def test_metadata_that_should_be_hashed_is_dropped_where_it_is_not() -> None:
    window, _ = within_policy(loose(), Policy(hash_metadata=("camera",)))
    assert {cell[0] for cell in window.summary.cells} == {MISSING}
    hashed = stored.window(0, cells=[(HASHED[0], "north"), (MISSING, "south")])
    hashed = replace(hashed, sample=stored.sample([]), informative=stored.sample([]))
    assert is_untouched(hashed, Policy(hash_metadata=("camera",)))


def consents(*values: str | None) -> Window:
    window = stored.window(0, ids=RAW)
    told = tuple({"camera": "c"} | ({} if v is None else {"agreed": v}) for v in values)
    return replace(
        window,
        sample=replace(stored.sample(RAW[: len(values)]), metadata=told),
        informative=stored.sample([]),
    )


def test_records_that_do_not_agree_leave_the_sample_and_lose_their_names() -> None:
    """A tap that shows one of them asks nobody: then only names that are known to agree stay."""
    window, counts = within_policy(consents("1", "no", None, "yes"), Policy(consent=("agreed",)))
    assert window.sample.ids == (RAW[0], RAW[3])
    assert [one for one in window.ledger.ids if one] == [RAW[0], RAW[3]]
    assert window.summary.total_records == 9
    assert counts == {Withheld.CONSENT: 7}
    fine = consents("1", "1")
    assert is_untouched(fine, Policy(consent=("agreed",)))


def test_a_consent_that_may_not_leave_is_not_missed() -> None:
    """A tap that asks for it drops it afterwards; one that sends it all the same is believed."""
    policy = Policy(consent=("agreed",), metadata=("camera", "site"))
    window = consents(None, None)
    assert is_untouched(window, policy)
    kept, counts = within_policy(consents("1", "0"), policy)
    assert kept.sample.ids == (RAW[0],)
    assert all("agreed" not in one for one in kept.sample.metadata)
    assert counts == {Withheld.CONSENT: 8, Withheld.METADATA: 1}


def test_a_consent_that_is_sliced_by_is_asked_for_each_record_of_the_ledger() -> None:
    window = stored.window(0, cells=[("c", "yes"), ("c", "no")])
    window = replace(window, sample=stored.sample([]), informative=stored.sample([]))
    kept, counts = within_policy(window, Policy(consent=("site",)))
    assert kept.ledger.ids == (OWN[0], "", OWN[2], "", OWN[4], "")
    assert counts == {Withheld.CONSENT: 3}
    assert is_untouched(kept, Policy(consent=("site",)))


@pytest.mark.parametrize(
    "policy",
    [
        Policy(pixels="none", metadata=("site",), ids="hash", uris="drop", trace_ids="hash"),
        Policy(hash_metadata=("site",), ids="hash", consent=("agreed",), pixels="thumbnails"),
    ],
)
def test_of_a_tap_that_keeps_to_the_policy_nothing_is_taken_out(policy: Policy) -> None:
    """And one that does not sends the same sums."""

    def sent(told: Policy) -> Window:
        transport = MemoryTransport()
        transport.policy = json.dumps(told.to_json())
        tap = Tap(
            "m",
            "v",
            transport=transport,
            keys=("site",),
            privacy=Privacy(pixels="full"),
            source="s",
        )
        tap.record(
            images=np.random.default_rng(0).integers(0, 256, (6, 90, 70, 3), np.uint8),
            outputs=np.full((6, 4), 0.25),
            metadata={"site": list("aabbcc"), "name": "Ann", "agreed": [1, 0] * 3},
            ids=RAW[:6],
            uris=RAW[:6],
            trace_ids=RAW[:6],
        )
        assert tap.flush()
        tap.close()
        windows = [Window.from_bytes(blob) for blob in transport.windows.values()]
        (window,) = [one for one in windows if one.summary.total_records]
        return window

    strict = sent(policy)
    assert is_untouched(strict, policy)
    kept, counts = within_policy(sent(Policy()), policy)
    assert sum(counts.values()) > 0
    assert same_sums(kept, strict)
    assert not any(set(RAW) & set(one) for one in (kept.sample.ids, kept.ledger.ids))
    assert within_policy(kept, policy)[1] == {}


def test_nothing_beyond_the_policy_is_stored(
    serving: Callable[..., Services], caplog: pytest.LogCaptureFixture
) -> None:
    """The window is accepted and judged, the metric counts what was left out, and the log says it
    once, without a word of what was sent."""
    services = serving("none", ids="hash", uris="drop", metadata=("camera", "site"))
    with caplog.at_level(logging.WARNING, "vigil.ingest"):
        blobs = [loose(sequence=i).to_bytes() for i in range(2)]
        assert [one.status for one in services.ingest.windows(blobs)] == ["accepted"] * 2
    with services.sessions() as session:
        rows = session.scalars(select(WindowRow)).all()
        assert [(row.records, row.verified) for row in rows] == [(9, True)] * 2
        assert session.scalars(select(LedgerIdRow)).all() == []
        sample = services.samples.read([str(rows[0].sample_part)])
        assert b"patient" not in b"".join(row.ledger or b"" for row in rows)
    assert sample.ids == tuple(sorted(OWN[:4], key=sample.ids.index))
    assert not sample.has_thumbnails
    assert not any(map("name".__eq__, (key for one in sample.metadata for key in one)))
    page = services.metrics.text().decode()
    of = 'vigil_privacy_withheld_total{deployment="production",model="digits",reason='
    assert f'{of}"ids"}} 18.0' in page
    assert f'{of}"pixels"}} 20.0' in page
    said = [one.getMessage() for one in caplog.records]
    assert len(said) == 4
    assert not any("patient" in one or "Ann" in one for one in said)
    # A record that people label is still found by the name that pages show.
    assert services.ingest.labels([LabelIn(id=OWN[1], label=1)])[0].status == "accepted"


def test_a_window_that_comes_twice_is_counted_once(serving: Callable[..., Services]) -> None:
    services = serving(ids="hash")
    services.ingest.windows([loose().to_bytes()])
    services.ingest.windows([loose().to_bytes()])
    assert 'reason="ids"} 9.0' in services.metrics.text().decode()


def test_labels_that_carry_their_prediction_keep_to_it_too(
    serving: Callable[..., Services],
) -> None:
    """No id that should be a hash is written down, with the label or with its refusal."""
    services = serving(ids="hash", metadata=("camera", "site"))

    def label(name: str) -> LabelIn:
        return LabelIn(
            id=name,
            label=1,
            model="digits",
            version="v1",
            prediction=1,
            metadata={"site": "n", "name": "Ann"},
        )

    receipts = services.ingest.labels([label(HASHED[0]), label("patient-1")])
    assert [one.status for one in receipts] == ["accepted", "rejected"]
    with services.sessions() as session:
        (row,) = session.scalars(select(LabelRow))
        (refused,) = session.scalars(select(RejectionRow))
    assert (row.record_id, row.cell) == (HASHED[0], {"site": "n"})
    assert "patient" not in refused.example


def test_what_is_back_filled_keeps_to_it(serving: Callable[..., Services]) -> None:
    """With the labels of the same records; of one without consent nothing is kept."""
    services = serving(ids="hash", consent=("agreed",), without_consent="drop")
    n = 6
    batch = make_batch(
        ids=RAW[:n],
        counter=np.arange(n, dtype=np.uint64),
        custom_ids=True,
        time_s=stored.NOON.timestamp() - 600.0,
        version="v1",
        embeddings=np.ones((n, 4), np.float32),
        outputs=np.eye(10)[:n],
        metadata={"camera": "c", "site": "n", "agreed": [1, 1, 1, 0, 1, 1]},
    )
    watched = services.settings.models[0]
    report = backfill(services, watched, [(batch, np.arange(n))])
    assert (report.records, report.labels, report.rejected) == (5, 5, ())
    with services.sessions() as session:
        names = set(session.scalars(select(LedgerIdRow.record_id)))
        assert set(session.scalars(select(LabelRow.record_id))) == names
        assert sorted(session.scalars(select(LabelRow.label))) == [0, 1, 2, 4, 5]
    assert len(names) == 5
    assert all(map(is_hashed, names))
    assert "vigil_privacy_withheld_total{" not in services.metrics.text().decode()
