"""The report as one HTML file that needs nothing else: no script, no network."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from monitor.detect.about import about
from monitor.detect.plots import draw
from monitor.detect.report import ColumnFinding, Report
from monitor.detect.words import WORDS, answer, figure, p_text, worst
from vigil.types import Outcome

MOST_CARDS = 60


def page(report: Report) -> str:
    """The page; every name in it is escaped."""
    used = dict.fromkeys(
        one.comparison.detector for found in report.columns for one in found.judged
    )
    drifted_slices = [one for one in report.slices if one.outcome is Outcome.DRIFTED]
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            answer=answer(report),
            worst=worst(report),
            cards=_cards(report.columns),
            drifted_slices=drifted_slices,
            slice_cards=_cards(drifted_slices)[:12],
            detectors=[about(name) for name in used],
            slices=len({one.slice for one in report.slices}),
        )
    )


def _cards(findings: list[ColumnFinding] | tuple[ColumnFinding, ...]) -> list[ColumnFinding]:
    return [one for one in findings if one.shape is not None][:MOST_CARDS]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("monitor.detect"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure}
    environment.globals |= {
        "draw": draw,
        "word": lambda outcome: WORDS[outcome],
        "p_text": p_text,
    }
    return environment
