"""Plots say what the data says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.console.derive.distribution import classes_of, distribution_of, rebin
from dashboards.console.derive.embedding import map_of
from dashboards.console.derive.reliability import reliability_of, wilson
from dashboards.console.plots import svg
from dashboards.console.plots.embedding import embedding_map
from dashboards.console.plots.histogram import class_bars, histogram
from dashboards.console.plots.reliability import reliability_diagram
from dashboards.console.plots.sparkline import sparkline
from dashboards.console.plots.timeseries import time_series
from dashboards.console.readmodels import Marker, SignalPoint, SignalSeries, SliceCell
from vigil.types import Outcome
from vigil.windows.summary import Outcomes

T0 = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(str(markup))


def series(
    effects: list[float | None], *, evidence: float = 1.0, every_s: float = 60
) -> SignalSeries:
    return SignalSeries(
        signal="confidence",
        kind="prediction",
        unit="probability",
        description="",
        slice="site=<b>",
        tolerance=0.15,
        threshold=1000.0,
        status=Outcome.HEALTHY,
        baseline_mean=0.9,
        points=tuple(
            SignalPoint(
                at=T0 + timedelta(seconds=every_s * i),
                z=0.0,
                effect=effect,
                evidence=evidence,
                mean=0.9,
                records=10,
            )
            for i, effect in enumerate(effects)
        ),
    )


def draw(s: SignalSeries, *markers: Marker) -> ElementTree.Element:
    end = s.points[-1].at if s.points else T0 + timedelta(hours=1)
    return parsed(time_series(s, start=T0, end=end, markers=markers, name_markers=True))


def effect_path(root: ElementTree.Element) -> str:
    return next(e.attrib["d"] for e in root.iter("path") if e.attrib["class"] == "effect")


def test_a_gap_in_the_data_is_a_gap_in_the_line() -> None:
    """A missing value lifts the pen; nothing is drawn across what was not measured."""
    assert effect_path(draw(series([0.1, 0.2, None, 0.1, 0.2]))).count("M") == 2
    assert effect_path(draw(series([0.1, 0.2, 0.1, 0.1, 0.2]))).count("M") == 1


def test_silence_is_a_gap_too() -> None:
    """Ticks that never came leave a gap."""
    s = series([0.1] * 8)
    late = SignalPoint(
        at=T0 + timedelta(minutes=40), z=0.0, effect=0.1, evidence=1.0, mean=0.9, records=1
    )
    s = SignalSeries(**{n: getattr(s, n) for n in s.__slots__} | {"points": (*s.points, late)})
    assert effect_path(draw(s)).count("M") == 2


def test_markers_are_drawn_and_named() -> None:
    """Onset and detection stand in the plot, in order, with their words; others stay out."""
    root = draw(
        series([0.1] * 30),
        Marker(at=T0 + timedelta(minutes=10), kind="onset", text="onset of #1"),
        Marker(at=T0 + timedelta(minutes=11), kind="detected", text="detected"),
        Marker(at=T0 + timedelta(days=3), kind="recovered", text="elsewhere"),
    )
    names = [e.text for e in root.iter("text") if e.attrib["class"] == "mark-name"]
    assert names == ["onset", "detected"]


def test_evidence_fills_the_strip_only_when_there_is_some() -> None:
    """At the threshold the strip is of the hottest colour; far below it shows nothing."""

    def heats(value: float) -> set[str]:
        root = draw(series([0.3] * 5, evidence=value))
        found = {e.attrib["class"] for e in root.iter("rect")}
        return {name for name in found if name.startswith("heat")}

    assert heats(2000.0) == {"heat4"}
    assert heats(0.5) == set()


def test_text_from_outside_is_escaped() -> None:
    """A slice that looks like markup stays text."""
    markup = str(time_series(series([0.1, 0.2]), start=T0, end=T0 + timedelta(hours=1)))
    assert "site=<b>" not in markup
    assert "site=&lt;b&gt;" in markup


def test_a_series_without_points_still_draws() -> None:
    """Nothing measured is an empty plot, not an error."""
    empty = series([])
    assert draw(empty).tag == "svg"


@pytest.mark.parametrize("values", [[], [0.0], [3.0], [0.0, 0.0], [1.0, 5.0, 2.0]])
def test_a_sparkline_of_anything_draws(values: list[float]) -> None:
    """Few or equal values are drawn too."""
    assert parsed(sparkline(values, label="x")).tag == "svg"


@given(
    counts=st.lists(st.integers(0, 1000), min_size=8, max_size=8),
    steps=st.lists(st.floats(0, 3), min_size=6, max_size=6),
)
def test_no_record_is_lost_in_redrawing(counts: list[int], steps: list[float]) -> None:
    """Shares of the bars and of both ends sum to one, whatever the quantile edges (ties too)."""
    edges = np.concatenate([[0.0], np.cumsum(steps)])
    shares, below, above = rebin(edges, np.array(counts), np.linspace(0, edges[-1] + 1e-9, 21))
    if sum(counts) == 0:
        assert (shares.sum(), below, above) == (0.0, 0.0, 0.0)
    else:
        assert shares.sum() + below + above == pytest.approx(1.0)


def test_records_of_one_value_stand_in_one_bar() -> None:
    """Where quantiles coincide, their records go into the bar that holds the value."""
    edges = np.array([0.0, 0.5, 0.5, 1.0])
    shares, _, _ = rebin(edges, np.array([0, 0, 100, 0, 0]), np.linspace(0, 1, 11))
    assert shares[5] == 1.0


def test_a_shifted_distribution_shows_beyond_the_range() -> None:
    """Traffic above all of the baseline stands in the last bar, which names its share."""
    edges = np.linspace(0, 1, 15)
    base = np.full(17, 10)
    base[-1] = 0
    now = np.zeros(17, int)
    now[15] = 160
    d = distribution_of(
        signal="noise", unit="u", slice_text="all traffic", edges=edges, baseline=base, current=now
    )
    assert d is not None
    assert d.above[1] == 1.0
    texts = [e.text for e in parsed(histogram(d)).iter("text")]
    assert "100 %" in texts


def test_missing_values_are_told_apart() -> None:
    """The last column counts values that were missing; they are a share, not a bar."""
    now = np.zeros(17, int)
    now[3], now[-1] = 30, 10
    d = distribution_of(
        signal="noise",
        unit="u",
        slice_text="",
        edges=np.linspace(0, 1, 15),
        baseline=np.ones(17, int),
        current=now,
    )
    assert d is not None
    assert d.missing[1] == 0.25


def test_classes_name_the_other_column_only_when_it_is_used() -> None:
    """A class beyond the known ones shows as 'other'."""
    base, now = np.array([5, 5, 0]), np.array([2, 2, 6])
    c = classes_of(names=("cat", "dog"), baseline=base, current=now, slice_text="")
    assert c is not None
    assert c.names == ("cat", "dog", "other")
    assert parsed(class_bars(c)).tag == "svg"
    quiet = classes_of(names=("cat",), baseline=base, current=base, slice_text="")
    assert quiet is not None
    assert quiet.names == ("cat", "1")


def test_the_map_keeps_still_while_traffic_moves() -> None:
    """Axes come from the baseline alone; the same baseline gives the same dots."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(200, 8)) * np.arange(8, 0, -1)
    one = map_of(baseline=base, current=base[:5])
    two = map_of(baseline=base, current=base[:5] + 40)
    assert one is not None
    assert two is not None
    assert np.array_equal(one.baseline, two.baseline)
    assert not np.allclose(one.current, two.current)
    assert one.explained[0] > one.explained[1] > 0
    assert parsed(embedding_map(two)).tag == "svg"


def test_the_map_leaves_out_what_is_not_finite() -> None:
    """NaN and infinity are left out; other dimensions or too few rows give no map."""
    base = np.random.default_rng(0).normal(size=(50, 4))
    current = np.array([[np.nan] * 4, [np.inf] * 4, [0.0] * 4])
    m = map_of(baseline=base, current=current, named=np.array([True, True, False]))
    assert m is not None
    assert m.current.shape == (1, 2)
    assert not m.named.any()
    assert map_of(baseline=base, current=np.zeros((3, 5))) is None
    assert map_of(baseline=base[:2], current=current) is None


def test_a_calibrated_model_has_a_small_gap_and_an_overconfident_one_a_large_gap() -> None:
    """The gap is the expected calibration error of the labels."""
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 6000)

    def outcomes(right: np.ndarray) -> Outcomes:
        return Outcomes.of((), [()] * len(right), confidence, right)

    good = reliability_of(outcomes(rng.random(6000) < confidence), None)
    bad = reliability_of(outcomes(rng.random(6000) < confidence - 0.25), None)
    assert good is not None
    assert bad is not None
    assert good.gap < 0.03
    assert bad.gap > 0.2
    assert parsed(reliability_diagram(bad)).tag == "svg"
    empty = Outcomes(keys=(), cells=(), table=np.zeros((0, 15, 3), np.int64))
    assert reliability_of(empty, None) is None


def test_wilson_stays_inside_zero_and_one() -> None:
    """The interval covers the share and never leaves [0, 1]."""
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(10, 10)
    assert 0.6 < low < high
    assert high == pytest.approx(1.0)


def test_evidence_decides_the_heat_of_a_cell() -> None:
    """A large effect without evidence is calm: on a small slice chance makes large effects."""

    def level(effect: float, evidence: float, drifted: bool) -> int:
        cell = SliceCell(
            effect=effect, evidence=evidence, tolerance=0.15, threshold=1e4, drifted=drifted
        )
        return cell.level

    assert level(0.9, 0.5, False) == 0
    assert level(0.2, 900.0, False) == 2
    assert level(0.2, 9e4, True) == 3
    assert level(0.6, 9e4, True) == 4


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6), wanted=st.integers(2, 8))
def test_axis_ticks_are_inside_and_few(low: float, span: float, wanted: int) -> None:
    """Ticks lie in the range and number about as many as asked for."""
    ticks = svg.nice_ticks(low, low + span, wanted)
    assert len(ticks) <= 3 * wanted
    assert all(low - 1e-6 * span <= t <= low + span * (1 + 1e-6) for t in ticks)


@pytest.mark.parametrize("seconds", [5, 90, 900, 3600, 86400, 7 * 86400, 90 * 86400])
def test_time_ticks_suit_every_span(seconds: int) -> None:
    """From seconds to months there are between one and seven labels."""
    assert 1 <= len(svg.time_ticks(T0, T0 + timedelta(seconds=seconds))) <= 7
