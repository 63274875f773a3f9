"""The report's plots, as inline SVG."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from dashboards.console.plots.embedding import embedding_map
from dashboards.console.plots.svg import (
    Scale,
    axis_label,
    el,
    figure,
    group,
    line,
    nice_ticks,
    rect,
    text,
)
from dashboards.console.readmodels import EmbeddingMap
from monitor.detect.shapes import Floats, Histogram, Points, Shape, Shares

WIDTH, HEIGHT = 400.0, 165.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 8.0, 10.0, 24.0
ROW = 22.0


def draw(name: str, shape: Shape) -> Markup:
    match shape:
        case Histogram():
            return _histogram(name, shape)
        case Points():
            return _points(shape)
        case Shares():
            return _shares(name, shape)


def _histogram(name: str, shape: Histogram) -> Markup:
    """Filled: current. Outlined: reference."""
    peak = max(float(shape.reference.max()), float(shape.current.max()), 1e-9) * 1.08
    low, high = float(shape.edges[0]), float(shape.edges[-1])
    x, y = Scale(low, high, LEFT, WIDTH - RIGHT), Scale(0, peak, HEIGHT - BOTTOM, TOP)
    parts: list[Markup] = []
    for tick in nice_ticks(0, peak, 4):
        parts.append(line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "gridline"))
        parts.append(text(LEFT - 6, y(tick) + 3.5, f"{100 * tick:g} %", anchor="end"))
    for i, share in enumerate(shape.current):
        left, right = x(float(shape.edges[i])), x(float(shape.edges[i + 1]))
        title = (
            f"{shape.edges[i]:.4g} to {shape.edges[i + 1]:.4g}: current {100 * share:.1f} %, "
            f"reference {100 * shape.reference[i]:.1f} %"
        )
        top = y(float(share))
        parts.append(rect(left + 0.5, top, right - left - 1, y(0) - top, "bar-now", title))
    parts.append(_outline(shape.edges, shape.reference, x, y))
    parts.append(line(LEFT, y(0), WIDTH - RIGHT, y(0), "axis"))
    for tick in nice_ticks(low, high, 5):
        if LEFT + 8 < x(tick) < WIDTH - RIGHT - 8:
            parts.append(text(x(tick), HEIGHT - BOTTOM + 15, axis_label(tick), anchor="middle"))
    return figure(WIDTH, HEIGHT, *parts, label=f"{name}: current over reference")


def _outline(edges: Floats, shares: Floats, x: Scale, y: Scale) -> Markup:
    pen = f"M{x(float(edges[0])):.1f} {y(0):.1f}"
    for i, share in enumerate(shares):
        top = y(float(share))
        pen += f"L{x(float(edges[i])):.1f} {top:.1f}L{x(float(edges[i + 1])):.1f} {top:.1f}"
    pen += f"L{x(float(edges[-1])):.1f} {y(0):.1f}"
    return el("path", d=pen, class_="bar-base", fill="none")


def _shares(name: str, shape: Shares) -> Markup:
    """A row a category: bar current, mark reference."""
    order = (-abs(shape.current - shape.reference)).argsort(kind="stable")
    peak = max(float(shape.reference.max()), float(shape.current.max()), 1e-9)
    left = 106.0
    x = Scale(0, peak, left, WIDTH - 116)
    height = TOP + ROW * len(order) + 4
    rows: list[Markup] = []
    for row, k in enumerate(order):
        top = TOP + ROW * row
        before, now = float(shape.reference[k]), float(shape.current[k])
        label = shape.names[k] if len(shape.names[k]) <= 15 else shape.names[k][:14] + "…"
        rows.append(
            group(
                [
                    el("title", shape.names[k]),
                    text(left - 8, top + 13, label, "tick", "end"),
                    rect(left, top + 3, x(now) - left, ROW - 8, "bar-now"),
                    line(x(before), top, x(before), top + ROW - 2, "bar-base"),
                    text(WIDTH - 108, top + 13, f"{100 * before:.1f} % → {100 * now:.1f} %"),
                ]
            )
        )
    return figure(WIDTH, height, *rows, label=f"{name}: shares, current and reference")


def _points(shape: Points) -> Markup:
    return embedding_map(
        EmbeddingMap(
            baseline=shape.reference,
            current=shape.current,
            named=np.zeros(len(shape.current), bool),
            explained=shape.explained,
        )
    )
