"""Does 90 % mean 90 %?"""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from dashboards.console import words
from dashboards.console.plots.svg import Scale, el, figure, line, path, rect, text
from dashboards.console.readmodels import Reliability

WIDTH, HEIGHT = 560.0, 340.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 12.0, 36.0
FLOOR = 46.0
FEW = 10


def reliability_diagram(r: Reliability) -> Markup:
    """Accuracy against stated confidence, with 95 % intervals; the diagonal is perfect, the thin
    line the baseline, the bars at the foot how many labels each point rests on."""
    x = Scale(0, 1, LEFT, WIDTH - RIGHT)
    y = Scale(0, 1, HEIGHT - BOTTOM - FLOOR, TOP)
    parts: list[Markup] = []
    for tick in (0, 0.25, 0.5, 0.75, 1.0):
        parts.append(line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "gridline"))
        parts.append(text(LEFT - 6, y(tick) + 3.5, f"{100 * tick:.0f} %", anchor="end"))
        parts.append(text(x(tick), HEIGHT - BOTTOM + 14, f"{100 * tick:.0f} %", anchor="middle"))
    parts.append(line(x(0), y(0), x(1), y(1), "ideal"))
    if r.baseline:
        parts.append(path([(x(b.confidence), y(b.accuracy)) for b in r.baseline], "bar-base"))
    parts += list(_points(r, x, y))
    floor = HEIGHT - BOTTOM
    most = max(b.labels for b in r.bins)
    for b in r.bins:
        height = (FLOOR - 10) * b.labels / most
        parts.append(
            rect(x(b.confidence) - 7, floor - height, 14, height, "bar-count", f"{b.labels} labels")
        )
    parts.append(line(LEFT, floor, WIDTH - RIGHT, floor, "axis"))
    parts.append(text((LEFT + WIDTH) / 2, HEIGHT - 5, "stated confidence", "unit", "middle"))
    label = f"reliability over {r.labels} labels: accuracy {words.share(r.accuracy)}"
    return figure(WIDTH, HEIGHT, *parts, label=label, class_="reliability")


def _points(r: Reliability, x: Scale, y: Scale) -> Iterator[Markup]:
    # A handful of labels says next to nothing: such points stay, faint, but pull no line.
    solid = [b for b in r.bins if b.labels >= FEW]
    yield path([(x(b.confidence), y(b.accuracy)) for b in solid], "effect")
    for b in r.bins:
        faint = "" if b.labels >= FEW else " faint"
        title = (
            f"confidence {words.share(b.confidence)}: right {words.share(b.accuracy)} "
            f"({words.share(b.low)} to {words.share(b.high)}, {b.labels} labels)"
        )
        yield line(x(b.confidence), y(b.low), x(b.confidence), y(b.high), f"whisker{faint}")
        yield el(
            "circle",
            el("title", title),
            cx=x(b.confidence),
            cy=y(b.accuracy),
            r=3.4,
            class_=f"knot{faint}",
        )
