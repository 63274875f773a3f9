"""One signal over time: how far from the baseline, and its mean, with the moments that matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from markupsafe import Markup

from dashboards.console import words
from dashboards.console.plots.svg import (
    Scale,
    axis_label,
    el,
    figure,
    group,
    line,
    nice_ticks,
    path,
    rect,
    text,
    time_scale,
    time_ticks,
)
from dashboards.console.readmodels import Marker, SignalPoint, SignalSeries

LEFT, RIGHT = 40.0, 8.0
Place = Callable[[datetime], float]


def time_series(
    series: SignalSeries,
    *,
    start: datetime,
    end: datetime,
    markers: Sequence[Marker] = (),
    width: float = 560.0,
    effect_height: float = 84.0,
    mean_height: float = 46.0,
    name_markers: bool = False,
) -> Markup:
    """The effect with its tolerance band above, the mean in its own unit below, and between them
    a strip that fills as evidence nears the threshold. A gap in the data is a gap in the line."""
    top = 16.0 if name_markers else 6.0
    strip_y = top + effect_height + 5
    mean_y = strip_y + 6 + 5
    bottom = mean_y + mean_height
    at = time_scale(start, end, LEFT, width - RIGHT)
    shown = [p for p in series.points if start <= p.at <= end]
    parts = [
        *_effect(series, shown, at, top, top + effect_height, width),
        *_evidence(series, shown, at, strip_y, width),
        *_mean(series, shown, at, mean_y, bottom, width),
        *_axis(start, end, at, bottom, width),
        *_markers(markers, start, end, at, top, bottom, name_markers),
    ]
    last = shown[-1] if shown else None
    label = (
        f"{series.signal} on {series.slice}: effect "
        f"{words.number(last.effect) if last else 'none yet'}, tolerance {series.tolerance:g}"
    )
    return figure(width, bottom + 15, *parts, label=label, class_="series")


def _effect(
    series: SignalSeries,
    points: Sequence[SignalPoint],
    at: Place,
    top: float,
    bottom: float,
    width: float,
) -> Iterator[Markup]:
    values = [p.effect for p in points if p.effect is not None]
    high = max([series.tolerance * 2, *values], default=1.0) * 1.08 or 1.0
    low = min([0.0, *values])
    y = Scale(low, high, bottom, top)
    yield rect(
        LEFT,
        y(series.tolerance),
        width - RIGHT - LEFT,
        y(max(low, 0.0)) - y(series.tolerance),
        "band",
    )
    for tick in nice_ticks(low, high, 3):
        yield line(LEFT, y(tick), width - RIGHT, y(tick), "gridline")
        yield text(LEFT - 5, y(tick) + 3.5, axis_label(tick), anchor="end")
    yield line(LEFT, y(series.tolerance), width - RIGHT, y(series.tolerance), "tolerance")
    yield path(_with_gaps(points, at, lambda p: p.effect, y), "effect")
    beyond = [
        el("circle", el("title", _point_title(p)), cx=at(p.at), cy=y(p.effect), r=2.2)
        for p in points
        if p.effect is not None and p.effect > series.tolerance and _is_hot(series, p)
    ]
    yield group(beyond, class_="beyond")


def _evidence(
    series: SignalSeries, points: Sequence[SignalPoint], at: Place, y: float, width: float
) -> Iterator[Markup]:
    yield rect(LEFT, y, width - RIGHT - LEFT, 6, "strip")
    step = _step_s(points)
    for p in points:
        level = words.heat(p.evidence, series.threshold)
        bucket = 4 if level >= 1 else int(level * 4)
        if bucket:
            right = min(at(p.at), width - RIGHT)
            left = max(LEFT, at(p.at - timedelta(seconds=step)))
            title = f"{words.clock(p.at)} evidence {words.number(p.evidence)}"
            title += f" of {words.number(series.threshold)}"
            yield rect(left, y, right - left + 0.3, 6, f"heat{bucket}", title)


def _mean(
    series: SignalSeries,
    points: Sequence[SignalPoint],
    at: Place,
    top: float,
    bottom: float,
    width: float,
) -> Iterator[Markup]:
    values = [p.mean for p in points if p.mean is not None]
    if not values:
        yield text(LEFT + 4, (top + bottom) / 2 + 4, "no mean for this signal")
        return
    reference = [] if series.baseline_mean is None else [series.baseline_mean]
    low, high = min(values + reference), max(values + reference)
    # Without a floor under the range, noise in a steady signal would look like an upheaval.
    pad = max(0.12 * (high - low), 0.02 * max(abs(high), abs(low)), 1e-9)
    y = Scale(low - pad, high + pad, bottom, top)
    for tick in nice_ticks(low - pad, high + pad, 2):
        yield line(LEFT, y(tick), width - RIGHT, y(tick), "gridline")
        yield text(LEFT - 5, y(tick) + 3.5, axis_label(tick), anchor="end")
    if series.baseline_mean is not None:
        yield line(
            LEFT, y(series.baseline_mean), width - RIGHT, y(series.baseline_mean), "reference"
        )
    yield path(_with_gaps(points, at, lambda p: p.mean, y), "mean")


def _axis(start: datetime, end: datetime, at: Place, y: float, width: float) -> Iterator[Markup]:
    yield line(LEFT, y, width - RIGHT, y, "axis")
    for moment, label in time_ticks(start, end):
        x = at(moment)
        yield line(x, y, x, y + 3, "axis")
        if LEFT + 12 < x < width - RIGHT - 18:
            yield text(x, y + 13, label, anchor="middle")


def _markers(
    markers: Sequence[Marker],
    start: datetime,
    end: datetime,
    at: Place,
    top: float,
    bottom: float,
    name: bool,
) -> Iterator[Markup]:
    free_from = -1.0
    for marker in sorted(markers, key=lambda m: m.at):
        if not start <= marker.at <= end:
            continue
        x = at(marker.at)
        children = [
            el("title", f"{words.clock(marker.at)} {marker.text}"),
            line(x, top, x, bottom, ""),
        ]
        room = 6 + 5.6 * len(marker.kind)
        # The onset is named on its left, so that the detection close behind has room on the right.
        if name and marker.kind == "onset" and x - room >= free_from:
            children.append(text(x - 3, top - 4, marker.kind, "mark-name", "end"))
        elif name and marker.kind != "onset" and x >= free_from:
            children.append(text(x + 3, top - 4, marker.kind, "mark-name"))
            free_from = x + room
        yield group(children, class_=f"mark mark-{_safe(marker.kind)}")


def _with_gaps(
    points: Sequence[SignalPoint],
    at: Place,
    value: Callable[[SignalPoint], float | None],
    y: Scale,
) -> Iterator[tuple[float, float] | None]:
    step, before = _step_s(points), None
    for point in points:
        number = value(point)
        if number is None:
            yield None
            continue
        if before is not None and (point.at - before).total_seconds() > 3.5 * step:
            yield None
        before = point.at
        yield at(point.at), y(number)


def _step_s(points: Sequence[SignalPoint]) -> float:
    """The usual distance of two points."""
    steps = sorted((b.at - a.at).total_seconds() for a, b in pairwise(points))
    return steps[len(steps) // 2] if steps else 1.0


def _is_hot(series: SignalSeries, point: SignalPoint) -> bool:
    return words.heat(point.evidence, series.threshold) >= 0.75


def _point_title(point: SignalPoint) -> str:
    return f"{words.clock(point.at)} effect {words.number(point.effect)}, {point.records} records"


def _safe(kind: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in kind)
