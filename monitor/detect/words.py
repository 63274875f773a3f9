"""The report in words, and as plain values."""

from __future__ import annotations

from typing import Any

from monitor.detect.report import ColumnFinding, Judged, Report
from vigil.types import Effect, Outcome

MOST_NAMED = 4
MOST_OF_SLICE = 2
WORDS = {
    Outcome.HEALTHY: "healthy",
    Outcome.DRIFTED: "drifted",
    Outcome.INCONCLUSIVE: "inconclusive",
    Outcome.NO_DATA: "no data",
}


def sentence(report: Report) -> str:
    """The answer: what drifted, and where most."""
    return " ".join(part for part in (answer(report), worst(report), place(report)) if part)


def answer(report: Report) -> str:
    """``2 of 14 columns drifted: brightness (KS distance 0.31, 0.28 to 0.34), ...``."""
    drifted, total = report.drifted, len(report.columns)
    columns = "column" if total == 1 else "columns"
    if drifted:
        named = ", ".join(_named(one) for one in drifted[:MOST_NAMED])
        more = f" and {len(drifted) - MOST_NAMED} more" if len(drifted) > MOST_NAMED else ""
        text = f"{len(drifted)} of {total} {columns} drifted: {named}{more}."
    elif report.outcome is Outcome.DRIFTED:
        text = f"None of {total} {columns} drifted as a whole, but a slice did."
    elif report.outcome is Outcome.HEALTHY:
        text = f"No drift: {_all(total)}, within the tolerance."
    elif report.outcome is Outcome.NO_DATA:
        where = "the column" if total == 1 else f"any of {total} columns"
        text = f"No answer: no usable value in {where}."
    else:
        text = f"No drift shown in {total} {columns}."
    unsure = _counted(report)
    return f"{text} {unsure}." if unsure and report.outcome is not Outcome.NO_DATA else text


def worst(report: Report) -> str:
    """``Worst slice: site=north, brightness (...)``; empty where none drifted."""
    found = [
        one
        for one in report.slices
        if one.slice == report.worst_slice and one.outcome is Outcome.DRIFTED
    ]
    if not found:
        return ""
    more = f" and {len(found) - MOST_OF_SLICE} more" if len(found) > MOST_OF_SLICE else ""
    named = ", ".join(_named(one) for one in found[:MOST_OF_SLICE])
    return f"Worst slice: {report.worst_slice}, {named}{more}."


def place(report: Report) -> str:
    """``It lives in site=north & lens=B``; empty where that is the worst slice, or everywhere."""
    if report.lives_in is None or report.lives_in == report.worst_slice:
        return ""
    return f"It lives in {report.lives_in}."


def _all(total: int) -> str:
    return "the column is healthy" if total == 1 else f"all {total} columns are healthy"


def _counted(report: Report) -> str:
    counts = {
        outcome: sum(one.outcome is outcome for one in report.columns)
        for outcome in (Outcome.INCONCLUSIVE, Outcome.NO_DATA)
    }
    said = {
        Outcome.INCONCLUSIVE: "inconclusive (too few rows to say, or can't be compared)",
        Outcome.NO_DATA: "without data",
    }
    return ", ".join(f"{count} {said[outcome]}" for outcome, count in counts.items() if count)


def _named(one: ColumnFinding) -> str:
    leading = one.leading
    return one.name if leading is None else f"{one.name} ({effect(leading.comparison.effect)})"


def effect(found: Effect) -> str:
    """``KS distance 0.31, 0.28 to 0.34``."""
    return f"{found.unit} {figure(found.value)}, {figure(found.low)} to {figure(found.high)}"


def figure(value: float) -> str:
    return (
        f"{value:.2g}"
        if abs(value) < 0.1
        else f"{value:.2f}"
        if abs(value) < 10
        else f"{value:.4g}"
    )


def p_text(one: Judged) -> str:
    p = one.comparison.p_value if one.decides else one.p_raw
    return "" if p is None else f"{p:.2g}" if p >= 1e-4 else "< 0.0001"


def as_dict(report: Report) -> dict[str, Any]:
    """Numbers, texts, lists and mappings; what is not finite is None."""
    return {
        "outcome": report.outcome.value,
        "exit_code": report.exit_code,
        "sentence": report.sentence,
        "reference": report.reference,
        "current": report.current,
        "rows": list(report.rows),
        "alpha": report.alpha,
        "tests": report.tests,
        "columns": [_column(one) for one in report.columns],
        "slices": [_column(one) for one in report.slices],
        "worst_slice": None if report.worst_slice is None else str(report.worst_slice),
        "lives_in": None if report.lives_in is None else str(report.lives_in),
        "schema": list(report.schema),
        "left_out": dict(report.left_out),
        "notes": list(report.notes),
    }


def _column(one: ColumnFinding) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind.value,
        "slice": str(one.slice),
        "outcome": one.outcome.value,
        "reason": one.reason,
        "records": list(one.records),
        "missing": list(one.missing),
        "detectors": [_judged(judged) for judged in one.judged],
    }


def _judged(one: Judged) -> dict[str, Any]:
    found = one.comparison
    size = found.effect
    return {
        "detector": found.detector,
        "decides": one.decides,
        "outcome": found.outcome.value,
        "reason": found.reason,
        "statistic": _finite(found.statistic),
        "p_value": _finite(one.p_raw),
        "p_adjusted": _finite(found.p_value) if one.decides else None,
        "effect": _finite(size.value),
        "low": _finite(size.low),
        "high": _finite(size.high),
        "tolerance": _finite(size.tolerance),
        "unit": size.unit,
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and abs(value) < float("inf") else None
