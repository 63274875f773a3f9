"""A gate's report as a table for people, JSON for programs and JUnit for pipelines."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree

from monitor.detect.words import figure
from monitor.gate.report import Check, GateOutcome, GateReport

_SAID = {
    GateOutcome.PASS: "passes",
    GateOutcome.FAIL: "fails",
    GateOutcome.INCONCLUSIVE: "is not decided",
}


def sentence(report: GateReport) -> str:
    """``v2 fails against v1: 2 of 9 checks (accuracy: all traffic, slice: site=north).``"""
    head = f"{report.candidate} {_SAID[report.outcome]} against {report.control}"
    if report.outcome is GateOutcome.PASS:
        return f"{head}: all {len(report.checks)} checks passed."
    telling = [one for one in report.checks if one.outcome is report.outcome]
    shown = ", ".join(f"{one.family}: {one.name}" for one in telling[:4])
    more = f" and {len(telling) - 4} more" if len(telling) > 4 else ""
    return f"{head}: {len(telling)} of {len(report.checks)} checks ({shown}{more})."


def rows(report: GateReport) -> list[dict[str, str]]:
    """The checks as cells of a table, those that tell first."""
    order = [GateOutcome.FAIL, GateOutcome.INCONCLUSIVE, GateOutcome.PASS]
    return [
        {
            "outcome": one.outcome.value,
            "check": one.family.value,
            "of": one.name,
            "value": _figure(one.value),
            "interval": _interval(one),
            "limit": _figure(one.limit),
            "unit": one.unit,
            "records": f"{one.records:,}",
            "why": one.text,
        }
        for one in sorted(report.checks, key=lambda one: order.index(one.outcome))
    ]


def as_dict(report: GateReport) -> dict[str, Any]:
    """Numbers, texts, lists and mappings; what is not finite is None."""
    return {
        "outcome": report.outcome.value,
        "exit_code": report.exit_code,
        "sentence": sentence(report),
        "candidate": report.candidate,
        "control": report.control,
        "records": report.records,
        "checks": [check_dict(one) for one in report.checks],
        "notes": list(report.notes),
    }


def check_dict(one: Check) -> dict[str, Any]:
    return {
        "family": one.family.value,
        "name": one.name,
        "outcome": one.outcome.value,
        "text": one.text,
        **{name: _finite(getattr(one, name)) for name in ("value", "low", "high", "limit")},
        "unit": one.unit,
        "records": one.records,
    }


def junit(report: GateReport) -> str:
    """One test case a check: a failure where it failed, skipped where it is inconclusive."""
    failed = sum(one.outcome is GateOutcome.FAIL for one in report.checks)
    skipped = sum(one.outcome is GateOutcome.INCONCLUSIVE for one in report.checks)
    suite = ElementTree.Element(
        "testsuite",
        name=_xml(f"vigil gate {report.candidate} against {report.control}"),
        tests=str(len(report.checks)),
        failures=str(failed),
        errors="0",
        skipped=str(skipped),
    )
    for one in report.checks:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"gate.{one.family}", name=_xml(one.name)
        )
        text = _xml(f"{one.text}{_told(one)}")
        if one.outcome is GateOutcome.FAIL:
            ElementTree.SubElement(case, "failure", message=text, type=one.family.value)
        elif one.outcome is GateOutcome.INCONCLUSIVE:
            ElementTree.SubElement(case, "skipped", message=text)
        else:
            ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(
        suite, encoding="unicode"
    )


def _told(one: Check) -> str:
    if one.value is None or one.limit is None:
        return ""
    reach = ", ".join(filter(None, (figure(one.value), _interval(one))))
    return f" ({one.unit} {reach}; limit {figure(one.limit)})"


def _xml(text: str) -> str:
    """XML 1.0 has no control characters, not even escaped."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _interval(one: Check) -> str:
    if one.low is None or one.high is None:
        return ""
    return f"{figure(one.low)} to {figure(one.high)}"


def _figure(value: float | None) -> str:
    return "" if value is None else figure(value)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
