"""Where what serves differs from what was meant to, by plain values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.serving.mismatch import (
    Intent,
    Mismatch,
    MismatchCode,
    Reality,
    lasting,
    mismatches,
    remembered,
)
from vigil.build import NO_BUILD, Build

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EARLIER = NOON - timedelta(hours=1)


def announced(shares: dict[str, float] | str, **values: Any) -> Intent:
    of = {shares: 1.0} if isinstance(shares, str) else shares
    return Intent(**{"shares": of, "at": EARLIER, "by": "was announced by ci", **values})


def registry(version: str, at: datetime = EARLIER) -> Intent:
    return Intent(shares={version: 1.0}, at=at, by="is what the registry says")


def traffic(**records: int) -> Reality:
    return Reality(records={(version, NO_BUILD): count for version, count in records.items()})


def found(
    said: Intent | None, registered: Intent | None, reality: Reality
) -> list[tuple[MismatchCode, str]]:
    made = mismatches(said, registered, reality, share_tolerance=0.15, at=NOON)
    return [(one.code, one.text) for one in made]


@pytest.mark.parametrize(
    ("said", "registered", "reality"),
    [
        (None, None, traffic(v1=100)),
        (announced("v1"), None, traffic(v1=100)),
        (announced("v1"), registry("v1"), traffic(v1=100)),
        (None, registry("v1"), traffic(v1=100)),
        (announced({"v2": 0.1, "v1": 0.9}), registry("v1", NOON), traffic(v1=85, v2=15)),
        (announced("v2"), None, traffic(v1=20)),
        (announced("v2"), None, traffic()),
        (announced("v1"), None, traffic(v1=990, v2=10)),
    ],
    ids=[
        "nobody said anything",
        "as announced",
        "all agree",
        "only a registry",
        "a canary beside the registry's version",
        "too few records to tell",
        "no traffic",
        "a shadow's few records",
    ],
)
def test_no_difference(said, registered, reality) -> None:
    assert found(said, registered, reality) == []


def test_a_release_that_did_not_come_is_told_from_both_sides() -> None:
    assert found(announced("v2"), None, traffic(v1=100)) == [
        (MismatchCode.UNINTENDED, "v1 serves 100% of the traffic, but v2 was announced by ci"),
        (MismatchCode.SHARE, "v2 should serve 100% of the traffic, and serves none of it"),
    ]


def test_a_share_that_the_router_does_not_keep() -> None:
    texts = [
        text for _, text in found(announced({"v2": 0.1, "v1": 0.9}), None, traffic(v1=40, v2=60))
    ]
    assert texts == [
        "v1 should serve 90% of the traffic, and serves 40%",
        "v2 should serve 10% of the traffic, and serves 60%",
    ]


def test_the_last_word_counts_and_the_conflict_is_told() -> None:
    """Someone promoted v2 by hand after v1 was announced: v2 is meant, and the record is wrong."""
    assert found(announced("v1"), registry("v2", NOON), traffic(v2=100)) == [
        (MismatchCode.REGISTRY, "the registry says v2, but v1 was announced by ci")
    ]
    older = registry("v2", EARLIER - timedelta(hours=1))
    codes = [code for code, _ in found(announced("v1"), older, traffic(v2=100))]
    assert codes == [MismatchCode.REGISTRY, MismatchCode.UNINTENDED, MismatchCode.SHARE]


def test_a_build_that_differs_from_the_announced_one() -> None:
    """Only where both sides name it."""
    said = announced("v2", builds={"v2": Build(preprocessing="resize-224", hardware="L4")})
    reality = Reality(
        records={
            ("v2", Build(preprocessing="resize-224")): 70,
            ("v2", Build(preprocessing="resize-256", hardware="L4")): 30,
        }
    )
    assert found(said, None, reality) == [
        (
            MismatchCode.BUILD,
            "30% of the traffic runs v2 with preprocessing resize-256 where resize-224 was "
            "announced",
        )
    ]


def one(subject: str, since: datetime = NOON) -> Mismatch:
    return Mismatch(code=MismatchCode.SHARE, subject=subject, text="it differs", since=since)


def test_a_difference_is_as_old_as_its_first_look_without_a_break() -> None:
    known = [one("v2", EARLIER)]
    busy = traffic(v2=100)
    found = remembered([one("v2"), one("v3")], known, busy)
    assert [each.since for each in found] == [EARLIER, NOON]
    assert remembered([one("v2")], remembered([], known, busy), busy)[0].since == NOON


def test_a_difference_stands_while_too_little_traffic_comes_to_tell() -> None:
    """A night without images is no agreement; what the registry says is known all the same."""
    conflict = Mismatch(code=MismatchCode.REGISTRY, subject="v9", text="t", since=EARLIER)
    known = [one("v2", EARLIER), conflict]
    assert remembered([], known, traffic(v2=3)) == [one("v2", EARLIER)]
    assert remembered([], known, traffic(v2=300)) == []


def test_what_has_lasted_is_told_with_the_most_telling_first() -> None:
    young = one("v3")
    conflict = Mismatch(code=MismatchCode.REGISTRY, subject="v9", text="t", since=EARLIER)
    told = lasting([one("v2", EARLIER), young, conflict], patience_s=600.0, at=NOON)
    assert [each.subject for each in told] == ["v9", "v2"]


def test_it_survives_the_database() -> None:
    assert Mismatch.from_json(one("v2").to_json()) == one("v2")
