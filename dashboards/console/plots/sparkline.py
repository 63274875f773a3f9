"""A line as small as a word."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from dashboards.console.plots.svg import Scale, el, figure, path

WIDTH, HEIGHT = 120.0, 24.0


def sparkline(values: Sequence[float], *, label: str) -> Markup:
    """Values in order, from zero to their maximum; the last one is dotted."""
    if not values:
        return figure(WIDTH, HEIGHT, label=f"{label}: nothing yet", class_="spark")
    x = Scale(0, max(1, len(values) - 1), 1, WIDTH - 4)
    y = Scale(0, max(1e-12, *values), HEIGHT - 2, 3)
    points = [(x(i), y(v)) for i, v in enumerate(values)]
    if len(points) == 1:
        points = [(1.0, points[0][1]), (WIDTH - 4, points[0][1])]
    floor = HEIGHT - 2
    area = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    fill = el(
        "polygon", points=f"1,{floor} {area} {points[-1][0]:.1f},{floor}", class_="spark-area"
    )
    dot = el("circle", cx=points[-1][0], cy=points[-1][1], r=2.0, class_="spark-dot")
    return figure(WIDTH, HEIGHT, fill, path(points, "spark-line"), dot, label=label, class_="spark")
