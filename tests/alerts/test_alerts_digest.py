"""The digest's pure parts: when it is due, what is named at which rate of chance, what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.digest import (
    Abstaining,
    DigestFacts,
    RestlessStream,
    digest,
    discoveries,
    due_at,
)
from alerts.types import MessageEvent
from vigil.types import Slice

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "zone", "due"),
    [
        ("2026-11-20T12:00", "UTC", "2026-11-20T09:00"),
        ("2026-11-20T09:00", "UTC", "2026-11-20T09:00"),
        ("2026-11-20T08:59", "UTC", "2026-11-19T09:00"),
        ("2026-11-20T12:00", "America/New_York", "2026-11-19T14:00"),
        ("2026-11-20T01:00", "Asia/Tokyo", "2026-11-20T00:00"),
        ("2026-10-25T12:00", "Europe/Berlin", "2026-10-25T08:00"),  # summer time ended that night
        ("2026-10-24T12:00", "Europe/Berlin", "2026-10-24T07:00"),
    ],
)
def test_it_is_due_by_the_clocks_of_its_zone(now: str, zone: str, due: str) -> None:
    assert due_at(utc(now), at="09:00", time_zone=zone) == utc(due)


def test_what_is_named_is_the_largest_set_that_e_bh_allows() -> None:
    ticks, share = 1000.0, 0.1
    assert discoveries({"a": 9_999.0, "b": 10.0}, ticks=ticks, share=share) == []
    assert discoveries({"a": 10_000.0, "b": 10.0}, ticks=ticks, share=share) == ["a"]
    assert discoveries({"a": 5_000.0, "b": 5_000.0}, ticks=ticks, share=share) == ["a", "b"]
    assert discoveries({"a": 6_000.0, "b": 4_999.0}, ticks=ticks, share=share) == []
    assert discoveries({}, ticks=ticks, share=share) == []


def test_of_what_is_named_at_most_the_share_is_chance() -> None:
    """Shiryaev-Roberts evidence of normal bets over a day, 40 healthy streams and 4 that moved."""
    rng, ticks, share = np.random.default_rng(5), 300, 0.2
    healthy, moved, theta = 40, 4, 0.5
    proportions = []
    for _ in range(150):
        shift = np.r_[np.zeros(healthy), np.ones(moved)] * theta
        evidence = np.zeros(healthy + moved)
        for tick in range(ticks):
            z = rng.normal(shift if tick >= 200 else 0.0, 1.0, healthy + moved)
            evidence = (evidence + 1 / len(evidence)) * np.exp(theta * z - theta**2 / 2)
        named = [
            int(name)
            for name in discoveries(
                {str(i): float(e) for i, e in enumerate(evidence)}, ticks=ticks, share=share
            )
        ]
        proportions.append(sum(i < healthy for i in named) / max(1, len(named)))
    assert np.mean(proportions) <= share


def message(**values: object):  # type: ignore[no-untyped-def]
    facts = DigestFacts(since=NOON - timedelta(days=1), until=NOON, **values)  # type: ignore[arg-type]
    return digest(facts, id="d-1", base_url="http://v/", installation="i", time_zone="UTC")


def test_a_quiet_day_is_said_in_a_line() -> None:
    told = message(paged=2)
    assert told.headline == "Digest of 2026-11-20: nothing but what paged"
    assert told.what == ("Nothing happened that you were not told of.",)
    assert told.done == ("Paged 2 incidents in this time.",)
    assert (told.event, told.thread_key, told.incident.id) == (MessageEvent.TRIGGER, "d-1", 0)


def test_what_did_not_page_is_told_in_order() -> None:
    told = message(
        restless=[
            RestlessStream(
                model="digits",
                deployment="production",
                slice=Slice((("site", "north"),)),
                signal="brightness",
                evidence=25_000.0,
                threshold=100_000.0,
            )
        ]
        * 12,
        silences=["S-3 has held nothing back"],
        abstaining=[Abstaining(model="digits", deployment="production", streams=3, of=40)],
        summarised=4,
        dead=1,
    )
    assert told.headline == (
        "Digest of 2026-11-20: 12 restless streams, 1 silence to look at, 1 message given up"
    )
    assert told.what[0] == (
        "Restless: brightness on site north of digits in production, at 25% of what pages"
    )
    assert "Restless: 2 more streams" in told.what
    assert "Silence: S-3 has held nothing back." in told.what
    assert any(line.startswith("Not judged yet: 3 of 40 streams") for line in told.what)
