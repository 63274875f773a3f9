"""Baseline and current, bar by bar."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from dashboards.console import words
from dashboards.console.plots.svg import (
    Scale,
    axis_label,
    el,
    figure,
    line,
    nice_ticks,
    rect,
    text,
)
from dashboards.console.readmodels import ClassShares, Distribution

WIDTH, HEIGHT = 560.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 12.0, 34.0


def histogram(d: Distribution) -> Markup:
    """Filled bars are what arrives now, the outline is the baseline. The bars at the two ends hold
    everything beyond the baseline's own range: that is where new traffic shows first."""
    baseline = [d.below[0], *d.baseline, d.above[0]]
    current = [d.below[1], *d.current, d.above[1]]
    # The ends may hold nearly everything: cut off, they say their share, and the rest shows.
    peak = max(float(d.baseline.max()), float(d.current.max()), 0.6 * max(d.below[0], d.above[0]))
    peak = max(peak * 1.2, 1e-9)
    y = Scale(0, peak, HEIGHT - BOTTOM, TOP)
    n = len(d.baseline)
    gap = 9.0
    end_width = 26.0
    inner_left, inner_right = LEFT + end_width + gap, WIDTH - RIGHT - end_width - gap
    x = Scale(0, n, inner_left, inner_right)
    parts = list(_grid(y, peak))
    spots = [(LEFT, end_width), *((x(i), x(i + 1) - x(i)) for i in range(n))]
    spots.append((inner_right + gap, end_width))
    for i, (left, width) in enumerate(spots):
        where = _where(d, i, n)
        title = f"{where}: now {words.share(current[i])}, baseline {words.share(baseline[i])}"
        height = y(0) - y.clip(current[i])
        parts.append(rect(left + 0.5, y.clip(current[i]), width - 1, height, "bar-now", title))
        if i in (0, n + 1) and current[i] >= 0.005:
            label_y = max(TOP - 3, y.clip(current[i]) - 4)
            parts.append(
                text(left + width / 2, label_y, f"{100 * current[i]:.0f} %", "end-share", "middle")
            )
    parts += [_outline(spots, baseline, y)]
    parts.append(line(LEFT, y(0), WIDTH - RIGHT, y(0), "axis"))
    value = Scale(float(d.edges[0]), float(d.edges[-1]), inner_left, inner_right)
    for tick in nice_ticks(float(d.edges[0]), float(d.edges[-1]), 6):
        if LEFT + 54 < value(tick) < WIDTH - RIGHT - 54:
            parts.append(text(value(tick), HEIGHT - BOTTOM + 14, axis_label(tick), anchor="middle"))
    parts.append(text(LEFT + end_width / 2, HEIGHT - BOTTOM + 14, "below", "tick", "middle"))
    parts.append(
        text(WIDTH - RIGHT - end_width / 2, HEIGHT - BOTTOM + 14, "above", "tick", "middle")
    )
    parts.append(
        text(
            (LEFT + WIDTH) / 2, HEIGHT - 5, f"{words.plain(d.signal)} ({d.unit})", "unit", "middle"
        )
    )
    label = f"distribution of {d.signal} on {d.slice}, now against the baseline"
    return figure(WIDTH, HEIGHT, *parts, label=label, class_="histogram")


def class_bars(c: ClassShares) -> Markup:
    """Predicted classes side by side: filled now, outlined baseline."""
    baseline, current = c.baseline.tolist(), c.current.tolist()
    peak = max(*baseline, *current, 1e-9)
    y = Scale(0, peak * 1.08, HEIGHT - BOTTOM, TOP)
    x = Scale(0, len(c.names), LEFT, WIDTH - RIGHT)
    parts = list(_grid(y, peak))
    every = max(1, len(c.names) // 24 + 1)
    for i, name in enumerate(c.names):
        left, slot = x(i), x(i + 1) - x(i)
        bar = slot * 0.7
        inset = (slot - bar) / 2
        title = f"{name}: now {words.share(current[i])}, baseline {words.share(baseline[i])}"
        parts.append(rect(left + inset, y(current[i]), bar, y(0) - y(current[i]), "bar-now", title))
        top = y(baseline[i])
        parts.append(line(left + inset - 2, top, left + inset + bar + 2, top, "bar-base"))
        if i % every == 0:
            short = name if len(name) <= 9 else name[:8] + "…"
            parts.append(text(left + slot / 2, HEIGHT - BOTTOM + 14, short, anchor="middle"))
    parts.append(line(LEFT, y(0), WIDTH - RIGHT, y(0), "axis"))
    parts.append(text((LEFT + WIDTH) / 2, HEIGHT - 5, "predicted class", "unit", "middle"))
    label = f"predicted classes on {c.slice}, now against the baseline"
    return figure(WIDTH, HEIGHT, *parts, label=label, class_="histogram")


def _grid(y: Scale, peak: float) -> Iterator[Markup]:
    for tick in nice_ticks(0, peak, 4):
        yield line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "gridline")
        yield text(LEFT - 6, y(tick) + 3.5, f"{100 * tick:g} %", anchor="end")


def _outline(spots: list[tuple[float, float]], shares: list[float], y: Scale) -> Markup:
    """Steps over the inner bars; each end bar apart."""
    commands = []
    for part in (slice(0, 1), slice(1, len(spots) - 1), slice(len(spots) - 1, None)):
        pen = f"M{spots[part][0][0]:.1f} {y(0):.1f}"
        for (left, width), share in zip(spots[part], shares[part], strict=True):
            pen += f"L{left:.1f} {y.clip(share):.1f}L{left + width:.1f} {y.clip(share):.1f}"
        last_left, last_width = spots[part][-1]
        commands.append(f"{pen}L{last_left + last_width:.1f} {y(0):.1f}")
    return el("path", d="".join(commands), class_="bar-base", fill="none")


def _where(d: Distribution, i: int, n: int) -> str:
    if i == 0:
        return f"below {words.number(float(d.edges[0]))}"
    if i == n + 1:
        return f"above {words.number(float(d.edges[-1]))}"
    return f"{words.number(float(d.edges[i - 1]))} to {words.number(float(d.edges[i]))}"
