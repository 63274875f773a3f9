"""An audit in words: the same sentences on the command line and in the console."""

from __future__ import annotations

from typing import Any

from monitor.audit.report import AuditReport, Judgement, length, verdict

STRONG_INFLATION = 3.0


def document(found: AuditReport) -> dict[str, Any]:
    """The report as plain values, with its sentences: what is printed as JSON and kept."""
    return {
        **found.as_dict(),
        "summary": verdict_line(found),
        "closest": closest(found),
        "figures": [list(line) for line in figures(found)],
    }


def verdict_line(found: AuditReport) -> str:
    """The answer, and what may stand behind it."""
    text = verdict(found)
    if found.judgement is Judgement.WITHIN:
        text += f" Up to {found.rate_high:.2g} times the budget would fit what was seen."
    leaking = [one for one in found.kinds if one.leaking]
    if leaking:
        worst = max(leaking, key=lambda one: one.leaking / max(one.tested, 1))
        text += (
            f" {worst.leaking} of {worst.tested} streams do not keep to one level by "
            f"{worst.kind}: the worst leans by {worst.worst:+.2f}."
        )
    strong = [one for one in found.memory if one.name.startswith("inflation")]
    if strong and max(one.median for one in strong) > STRONG_INFLATION:
        worst_memory = max(strong, key=lambda one: one.median)
        text += f" Windows depend on one another: {worst_memory.name} is {worst_memory.median:.1f}."
    return text


def closest(found: AuditReport) -> str:
    """The streams that would page first, in one sentence."""
    named = [
        f"{one.stream.signal} on {one.stream.slice} ({one.share:.1%} of the threshold on "
        f"{one.at:%Y-%m-%d %H:%M})"
        for one in found.peaks[:3]
    ]
    return f"Closest to paging: {'; '.join(named)}." if named else "No stream showed any evidence."


def figures(found: AuditReport) -> list[tuple[str, str]]:
    """The figures behind the verdict, each with its name."""
    lines = [
        ("judged", f"{_span(found)}, {found.ticks} ticks after {found.learnt_ticks} that taught"),
        (
            "realised rate",
            f"{found.rate:.2g} pages per allowed page (95 %: {found.rate_low:.2g} to "
            f"{found.rate_high:.2g})",
        ),
        (
            "run length",
            f"{length(found.run_length_days)} a page"
            if found.run_length_days is not None
            else f"longer than {length(found.days)}: no page",
        ),
        (
            "alarms",
            f"evidence reached {found.threshold:g} ticks {found.alarms} times: "
            f"{found.within_tolerance} within the tolerance, {found.unsure} not sure at first",
        ),
        (
            "sharper look",
            f"{_times(found.sharp_alarms, 'alarm')} of single streams at a threshold of "
            f"{found.sharp_threshold:g}, where {found.sharp_budget:.1f} are allowed",
        ),
        ("normal scores", f"mean {found.score_mean:+.3f}, sd {found.score_sd:.3f} (healthy: 0, 1)"),
        (
            "left out",
            f"{found.left_out.of_incidents} scores of incidents, {found.left_out.unverified} "
            f"records without a baseline, {found.left_out.unreadable} damaged windows",
        ),
        ("took", f"{found.duration_s:.0f} s"),
    ]
    if found.realised is not None:
        said = found.realised
        lines.insert(
            3,
            (
                "called false",
                f"{said.false_pages} in the last {said.days:.1f} days, where "
                f"{said.budget_pages:.2f} are allowed; {said.undecided} not judged by anyone",
            ),
        )
    return lines


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _span(found: AuditReport) -> str:
    if found.first is None or found.last is None:
        return "nothing"
    return f"{found.first:%Y-%m-%d %H:%M} to {found.last:%Y-%m-%d %H:%M} UTC"
