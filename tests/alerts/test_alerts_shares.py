"""Shares of evidence: signals and slices, largest first."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.shares import shares_of_evidence
from alerts.text import shares_words
from alerts.types import Finding
from vigil.types import WHOLE, SignalKind, Slice

CAMERA, SITE = Slice((("camera", "c4"),)), Slice((("site", "s1"),))


def finding(signal: str, evidence: float, piece: Slice = WHOLE) -> Finding:
    return Finding(signal=signal, kind=SignalKind.IMAGE, slice=piece, evidence=evidence)


def test_signals_and_slices_are_ranked_by_log_evidence() -> None:
    """Three and one powers of e are 75 and 25 %; each list sums to 1."""
    shares = shares_of_evidence(
        [finding("noise", math.e, SITE), finding("brightness", math.e**3, CAMERA)]
    )
    assert list(shares.signals) == ["brightness", "noise"]
    assert list(shares.signals.values()) == pytest.approx([0.75, 0.25])
    assert list(shares.slices) == [CAMERA, SITE]


def test_a_signal_on_many_slices_counts_once() -> None:
    """A camera, its site and the whole hold the same records: the largest speaks for the signal."""
    many = [finding("noise", math.e**2, piece) for piece in (CAMERA, SITE, WHOLE)]
    shares = shares_of_evidence([*many, finding("brightness", math.e**2, CAMERA)])
    assert dict(shares.signals) == pytest.approx({"noise": 0.5, "brightness": 0.5})


@pytest.mark.parametrize("evidence", [0.0, 1.0, 0.2, math.inf, math.nan])
def test_what_is_no_evidence_has_no_share(evidence: float) -> None:
    """At most one tick, a plain rule's none, or not a number."""
    assert shares_of_evidence([finding("noise", evidence)]).signals == {}
    assert shares_of_evidence([]).slices == {}


@given(st.lists(st.floats(1.5, 1e12), min_size=1, max_size=12), st.randoms())
def test_shares_sum_to_one_fall_and_do_not_depend_on_the_order(values, random) -> None:
    """Whatever the evidence."""
    findings = [finding(f"s{i}", value) for i, value in enumerate(values)]
    shares = shares_of_evidence(findings).signals
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    random.shuffle(findings)
    assert shares_of_evidence(findings).signals == pytest.approx(dict(shares))


def test_words_name_three_and_the_rest() -> None:
    """One signal alone needs no share."""
    four = [finding(name, math.e**k) for name, k in (("a", 4), ("b", 3), ("c", 2), ("d", 1))]
    assert shares_words(four) == "a 40%, b 30%, c 20%, others 10%"
    assert shares_words(four[:1]) == ""
