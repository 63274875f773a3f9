"""Numbers, times and runbook pages as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboards.console import words
from dashboards.console.markdown import render

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (4.24, "4.2 s"),
        (38.4, "38 s"),
        (59.7, "1 min"),
        (312, "5 min 12 s"),
        (3599.9, "1 h 00 min"),
        (11100, "3 h 05 min"),
        (187200, "2 d 4 h"),
        (-5, "−5.0 s"),
        (float("nan"), "–"),
    ],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    """As much precision as one can use, and no more."""
    assert words.duration(seconds) == text


def test_ago_looks_both_ways() -> None:
    """What is to come is told as such."""
    assert words.ago(None, NOW) == "never"
    assert words.ago(NOW, NOW) == "just now"
    assert words.ago(NOW - timedelta(seconds=5), NOW) == "5 s ago"
    assert words.ago(NOW + timedelta(minutes=3), NOW) == "in 3 min"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.71, "0.71"),
        (1.305, "1.3"),
        (43200.0, "43,200"),
        (-0.25, "−0.25"),
        (2.5e7, "2.50×10⁷"),
        (0.00001, "1.00×10⁻⁵"),
        (float("inf"), "–"),
    ],
)
def test_numbers_have_three_digits_at_most(value: float | None, text: str) -> None:
    """Three significant digits, thousands apart, a real minus."""
    assert words.number(value) == text


def test_heat_is_logarithmic_and_full_at_the_threshold() -> None:
    """Half way to a page in orders of magnitude is half the heat."""
    assert words.heat(None, 1e4) == 0.0
    assert words.heat(1e4, 1e4) == 1.0
    assert words.heat(float("inf"), 1e4) == 1.0
    assert words.heat(99.0, 1e4) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](https://evil.example/pixel.png)",
        "<img src=x onerror=alert(1)>",
    ],
)
def test_a_runbook_page_never_becomes_code(source: str) -> None:
    """Raw HTML, images and unusual links in a page are shown as text."""
    page = str(render(source))
    assert "<script" not in page
    assert "<img" not in page
    assert 'href="j' not in page.lower()
    assert 'href="data' not in page.lower()


def test_a_runbook_page_keeps_its_structure() -> None:
    """Lists, tables and links to where one works are kept."""
    page = str(render("1. a\n2. b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n[go](/incidents/1)"))
    assert "<ol>" in page
    assert "<table>" in page
    assert 'href="/incidents/1"' in page
