"""Traffic is split by hash as it should be."""

from __future__ import annotations

import pytest

from monitor.canary.ratio import split_is_wrong
from vigil.split import shadow_id, split

NAMES = [f"user-{k}" for k in range(20_000)]


def test_a_unit_always_goes_the_same_way() -> None:
    assert all(split(n, share=0.3, salt="a") == split(n, share=0.3, salt="a") for n in NAMES[:100])


def test_the_share_is_kept() -> None:
    got = sum(split(name, share=0.1, salt="v2") for name in NAMES)
    assert not split_is_wrong(len(NAMES) - got, got, 0.1)
    assert abs(got / len(NAMES) - 0.1) < 0.01


def test_two_salts_split_independently() -> None:
    """Who was in the last canary is in the next one no more often than others."""
    first = [name for name in NAMES if split(name, share=0.5, salt="v2")]
    both = sum(split(name, share=0.5, salt="v3") for name in first)
    assert abs(both / len(first) - 0.5) < 0.02


def test_a_larger_share_keeps_those_who_were_in() -> None:
    small = {name for name in NAMES if split(name, share=0.1, salt="s")}
    assert small <= {name for name in NAMES if split(name, share=0.3, salt="s")}


def test_none_and_all() -> None:
    assert not any(split(name, share=0.0, salt="s") for name in NAMES[:500])
    assert all(split(name, share=1.0, salt="s") for name in NAMES[:500])
    with pytest.raises(ValueError, match="expected 0 to 1"):
        split("a", share=1.1, salt="s")


def test_a_shadow_records_under_another_id() -> None:
    assert shadow_id("r1") != "r1"
    assert shadow_id("r1").endswith("r1")


def test_a_wrong_split_is_noticed_and_a_right_one_is_not() -> None:
    """A tenth of a share off, in 10 000 units; small numbers prove nothing."""
    assert split_is_wrong(9_200, 800, 0.1)
    assert not split_is_wrong(9_000, 1_000, 0.1)
    assert not split_is_wrong(3, 0, 0.5)
