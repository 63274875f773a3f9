"""Place and spread of one scalar: one finding, one cell of the console, one name for good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alerts.types import Finding
from alerts.wording import finding_words
from detectors.streams import StreamKey
from monitor.checks.coverage import unit_of
from monitor.checks.judge import Rules, Standing, drifts
from monitor.response.one_finding import as_known
from monitor.web.console.needs import Target
from monitor.web.console.queries_points import table_of
from vigil.types import WHOLE, Effect, SignalKind, Slice

RULES = Rules(tolerances={}, objectives={}, threshold=1000.0)
CAMERA = Slice((("camera", "c4"),))
LARGE = Effect(value=0.3, low=0.25, high=0.35, tolerance=0.15, unit="KS distance", records=500)


def standing(signal: str, evidence: float, piece: Slice = WHOLE) -> Standing:
    return Standing(
        stream=StreamKey("m", "prod", piece, signal),
        z=9.0,
        evidence=evidence,
        onset_tick=1,
        onset_first=1,
        onset_last=1,
        provisional=False,
        exceeded=evidence >= RULES.threshold,
    )


@pytest.mark.parametrize(
    ("place", "spread", "speaks"),
    [
        (0.0, 5000.0, "brightness_spread"),
        (10.0, 20.0, "brightness_spread"),
        (20.0, 10.0, "brightness"),
        (2000.0, 9e9, "brightness"),
        (0.0, 0.0, "brightness"),
    ],
)
def test_the_stronger_speaks_unless_the_place_has_passed(place, spread, speaks):
    family = [standing("brightness", place), standing("brightness_spread", spread)]
    found = dict.fromkeys((one.stream for one in family), LARGE)
    (one,) = drifts(family, found, [], RULES, frozenset())
    assert one.stream.signal == speaks


def test_other_signals_and_other_slices_are_findings_of_their_own():
    family = [
        standing("brightness_spread", 5000.0),
        standing("brightness_spread", 5000.0, CAMERA),
        standing("contrast", 5000.0),
    ]
    found = dict.fromkeys((one.stream for one in family), LARGE)
    assert len(drifts(family, found, [], RULES, frozenset())) == 3


def finding(signal: str, piece: Slice = WHOLE, **values) -> Finding:
    return Finding(signal=signal, kind=SignalKind.IMAGE, slice=piece, effect=LARGE, **values)


def test_what_an_incident_has_told_keeps_its_name():
    """The effect is the newer one; the spread's figures are no means."""
    known = [finding("brightness_spread", before=0.05, now=0.08)]
    newer = replace(LARGE, value=0.5)
    arrived = [
        replace(finding("brightness", before=0.4, now=0.6), effect=newer),
        finding("brightness", CAMERA),
        finding("contrast"),
    ]
    first, *others = as_known(known, arrived)
    assert (first.signal, first.effect, first.now) == ("brightness_spread", newer, 0.08)
    assert others == arrived[1:]


def test_a_spread_is_told_in_words():
    told = finding("brightness_spread", before=0.05, now=0.081)
    assert finding_words(told).startswith("spread of brightness rose from 0.05 to 0.081 (30% of")
    assert finding_words(finding("latency_s_spread")).startswith("spread of latency changed")
    assert unit_of("brightness_spread") == "of the variance"
    assert unit_of("brightness") == "of the mean rank"


def test_the_console_shows_a_scalar_once_with_the_larger_evidence():
    target = Target(
        model="m", deployment="prod", owner="", class_names=(), tolerances={"brightness": 0.2}
    )
    row = {"brightness": [1.0, 0.1, 5.0, 0.4, 90], "brightness_spread": [9.0, 0.1, 700.0, 0.1, 90]}
    table = table_of(
        {str(WHOLE): row},
        target,
        threshold=1000.0,
        drifted=[(str(WHOLE), "brightness_spread")],
    )
    assert table.signals == ("brightness",)
    (cell,) = table.rows[0].cells
    assert cell is not None
    assert (cell.evidence, cell.drifted, cell.tolerance) == (700.0, True, 0.2)
    assert target.tolerance("brightness_spread") == 0.2
