"""Two small charts as SVG text; colours tell series apart and work on light and dark grounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

COLOURS = ("#2b7bba", "#d9722e", "#3a9d5d", "#a2509c", "#8a8a2e", "#777777")
_STYLE = 'font-family="sans-serif" font-size="12" fill="#888"'


def bars(title: str, named: Mapping[str, Mapping[str, float]], *, floor: float) -> str:
    """Horizontal bars on a logarithmic axis, one group a name, one bar a series.

    Args:
        floor: the axis begins here; smaller values, and zero, get a stub.
    """
    series = list(dict.fromkeys(s for values in named.values() for s in values))
    most = max(max(values.values()) for values in named.values())
    left, width, bar = 290, 420, 12
    span = max(log10(max(most, 10 * floor) / floor), 1e-9)
    parts, y = [_text(10, 20, title)], 36
    for name, values in named.items():
        parts.append(_text(10, y + bar, name))
        for k, one in enumerate(series):
            if one not in values:
                continue
            value = values[one]
            long = max(2.0, width * log10(max(value, floor) / floor) / span)
            parts.append(
                f'<rect x="{left}" y="{y}" width="{long:.1f}" height="{bar - 2}" '
                f'fill="{COLOURS[k % len(COLOURS)]}"/>'
            )
            parts.append(_text(left + long + 5, y + bar - 2, f"{_short(value)} {one}"))
            y += bar
        y += 8
    return _svg(left + width + 130, y + 10, parts)


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float | None]]]) -> str:
    """Lines on two logarithmic axes; points without a value are left out."""
    points = [(x, y) for one in series.values() for x, y in one if y is not None]
    if not points:
        return _svg(400, 40, [_text(10, 20, title), _text(10, 36, "nothing found")])
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    high_y = max(10.0, *(y for _, y in points))
    left, top, width, height = 50, 40, 420, 260

    def at(x: float, y: float) -> tuple[float, float]:
        across = log10(x / low_x) / max(log10(high_x / low_x), 1e-9)
        up = log10(max(y, 1.0)) / log10(high_y)
        return left + width * across, top + height * (1.0 - up)

    parts = [_text(10, 20, title)]
    for x in sorted({x for x, _ in points}):
        parts.append(_text(at(x, 1)[0] - 8, top + height + 18, f"{x:g}"))
    for y in (1, 2, 5, 10, 20, 50, 100, 200):
        if y <= high_y:
            level = at(low_x, y)[1]
            parts.append(_text(12, level + 4, str(y)))
            parts.append(
                f'<line x1="{left}" x2="{left + width}" y1="{level:.1f}" y2="{level:.1f}" '
                'stroke="#8884"/>'
            )
    for k, (name, one) in enumerate(series.items()):
        colour = COLOURS[k % len(COLOURS)]
        spots = [at(x, y) for x, y in one if y is not None]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in spots]
        parts.append(
            f'<rect x="{left + width + 12}" y="{top + 18 * k}" width="10" height="10" '
            f'fill="{colour}"/>'
        )
        parts.append(_text(left + width + 28, top + 18 * k + 10, name))
    return _svg(left + width + 300, top + height + 30, parts)


def _short(value: float) -> str:
    """Three digits that matter, never an exponent."""
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {_STYLE}>{escape(words)}</text>'


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">\n{inside}\n</svg>\n'
    )
