"""The report on a terminal: the answer, a table, and small plots of the worst columns."""

from __future__ import annotations

import sys

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.detect.report import ColumnFinding, Report
from monitor.detect.shapes import Histogram, Points, Shape, Shares
from monitor.detect.words import WORDS, figure, p_text
from vigil.types import Outcome

PLOTTED = 4
SLICES_SHOWN = 10
_LEVELS = " ▁▂▃▄▅▆▇█"
_STYLE = {
    Outcome.DRIFTED: "bold red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.NO_DATA: "dim",
    Outcome.HEALTHY: "green",
}


def show(report: Report, console: Console | None = None) -> None:
    console = console or _console()
    console.print(Text(report.sentence, style="bold"))
    console.print(
        Text(
            f"reference {report.reference}: {report.rows[0]:,} rows; "
            f"current {report.current}: {report.rows[1]:,} rows; "
            f"{report.tests} comparisons share alpha = {report.alpha:g}",
            style="dim",
        )
    )
    console.print()
    console.print(_table(report.columns, with_slice=False))
    drifted = [one for one in report.slices if one.outcome is Outcome.DRIFTED]
    if drifted:
        console.print()
        console.print(Text("Slices that drifted", style="bold"))
        console.print(_table(drifted[:SLICES_SHOWN], with_slice=True))
        if len(drifted) > SLICES_SHOWN:
            console.print(f"and {len(drifted) - SLICES_SHOWN} more (--json or --html has them all)")
    for one in report.columns[:PLOTTED]:
        if one.outcome is not Outcome.HEALTHY and one.shape is not None:
            console.print()
            for line in plot(one.name, one.shape):
                console.print(line)
    lines = [
        *(f"schema: {one}" for one in report.schema),
        *(f"not compared: {name}: {reason}" for name, reason in report.left_out.items()),
        *(f"note: {one}" for one in report.notes),
    ]
    if lines:
        console.print()
    for text in lines:
        console.print(Text(text, style="dim"))


def plot(name: str, shape: Shape) -> list[Text]:
    """A column's two samples as rows of bars."""
    match shape:
        case Histogram():
            return _bars(name, shape)
        case Points():
            share = f"{100 * shape.explained[0]:.0f} %"
            return _bars(f"{name}, first main axis ({share} of the variance)", shape.first)
        case Shares():
            return _categories(name, shape)


def spark(shares: np.ndarray[tuple[int], np.dtype[np.float64]], peak: float) -> str:
    """Shares as block characters; whatever is there shows at least the lowest block."""
    steps = np.ceil(shares / max(peak, 1e-12) * (len(_LEVELS) - 1)).astype(int)
    return "".join(_LEVELS[min(max(step, 0), len(_LEVELS) - 1)] for step in steps)


def _bars(title: str, shape: Histogram) -> list[Text]:
    peak = float(max(shape.reference.max(), shape.current.max()))
    low, high = figure(float(shape.edges[0])), figure(float(shape.edges[-1]))
    width = len(shape.reference)
    ends = f"{low}{' ' * max(1, width - len(low) - len(high))}{high}"
    beyond = "  (the outermost bars hold what lies beyond)" if shape.cut else ""
    return [
        Text(title, style="bold"),
        Text.assemble("  reference  ", (spark(shape.reference, peak), "bright_black")),
        Text.assemble("  current    ", (spark(shape.current, peak), "cyan")),
        Text(f"             {ends}{beyond}", style="dim"),
    ]


def _categories(name: str, shape: Shares, most: int = 8) -> list[Text]:
    change = np.abs(shape.current - shape.reference)
    order = np.argsort(-change, kind="stable")[:most]
    peak = max(float(shape.reference.max()), float(shape.current.max()), 1e-12)
    width = max(len(shape.names[k]) for k in order)
    lines = [Text(f"{name}, shares that changed most", style="bold")]
    for k in order:
        before, now = float(shape.reference[k]), float(shape.current[k])
        lines.append(
            Text.assemble(
                f"  {shape.names[k]:<{width}}  ",
                (f"{'█' * round(20 * before / peak):<20}", "bright_black"),
                f" {100 * before:5.1f} %  ",
                (f"{'█' * round(20 * now / peak):<20}", "cyan"),
                f" {100 * now:5.1f} %",
            )
        )
    return lines


def _table(findings: list[ColumnFinding] | tuple[ColumnFinding, ...], *, with_slice: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("column", no_wrap=True)
    if with_slice:
        table.add_column("slice")
    table.add_column("outcome", no_wrap=True)
    table.add_column("detector")
    for heading in ("effect", "95 % interval", "tolerance", "p (Holm)"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("also", overflow="fold")
    for one in findings:
        place = (Text(str(one.slice)),) if with_slice else ()
        table.add_row(Text(one.name), *place, *_cells(one))
    return table


def _cells(one: ColumnFinding) -> list[Text]:
    outcome = Text(WORDS[one.outcome], style=_STYLE[one.outcome])
    leading = one.leading
    if leading is None or not leading.comparison.effect.records:
        return [outcome, *[Text("")] * 5, Text(one.reason, style="dim")]
    size = leading.comparison.effect
    others = [
        f"{other.comparison.detector} {figure(other.comparison.effect.value)}"
        for other in one.judged[1:]
    ]
    if any(one.missing):
        others.append(f"missing {one.missing[0]:,} / {one.missing[1]:,}")
    if one.reason:
        others.append(one.reason)
    return [
        outcome,
        Text(leading.comparison.detector),
        Text(figure(size.value)),
        Text(f"{figure(size.low)} to {figure(size.high)}"),
        Text(figure(size.tolerance)),
        Text(p_text(leading)),
        Text(", ".join(others), style="dim"),
    ]


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=160, no_color=True)
