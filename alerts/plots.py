"""A signal over time as a small picture, for chats and pagers: plain, and readable on a phone.

No plotting library: Pillow draws a line, its tolerance band, and where the trouble began.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1200, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 110, 40, 110, 70
_INK, _FAINT, _GRID = (33, 37, 41), (98, 106, 115), (226, 229, 233)
_LINE, _ONSET, _BAND = (31, 95, 168), (179, 38, 30), (232, 240, 232)


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """What is drawn: ``points`` are (when, value in ``unit``), oldest first.

    ``normal`` is the value at the baseline; the band around it, ``tolerance`` wide on each side,
    is drawn where both are known.
    """

    title: str
    subtitle: str
    unit: str
    points: Sequence[tuple[datetime, float]]
    onset: datetime | None = None
    normal: float | None = None
    tolerance: float | None = None


def png(series: Series) -> bytes:
    """The picture as PNG.

    Raises:
        ValueError: fewer than two points, or a value that is not finite.
    """
    if len(series.points) < 2:
        raise ValueError(f"a plot needs two points or more, found {len(series.points)}")
    if not all(math.isfinite(value) for _, value in series.points):
        raise ValueError("a plot needs finite values")
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    frame = _Frame(series)
    draw = ImageDraw.Draw(image)
    draw.text((_LEFT, 22), _cut(series.title, 74), fill=_INK, font=_font(30))
    draw.text((_LEFT, 64), _cut(series.subtitle, 110), fill=_FAINT, font=_font(20))
    _band(draw, series, frame)
    _grid(draw, series, frame)
    _onset(draw, series, frame)
    draw.line([frame.at(*point) for point in series.points], fill=_LINE, width=4, joint="curve")
    last = frame.at(*series.points[-1])
    draw.ellipse((last[0] - 6, last[1] - 6, last[0] + 6, last[1] + 6), fill=_LINE)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


class _Frame:
    """Where a moment and a value lie in the picture."""

    def __init__(self, series: Series) -> None:
        values = [value for _, value in series.points]
        if series.normal is not None:
            reach = series.tolerance or 0.0
            values += [series.normal - reach, series.normal + reach]
        low, high = min(values), max(values)
        room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
        self.low, self.high = low - room, high + room
        self.start = series.points[0][0].timestamp()
        self.end = max(series.points[-1][0].timestamp(), self.start + 1.0)

    def x(self, at: datetime) -> float:
        share = (at.timestamp() - self.start) / (self.end - self.start)
        return _LEFT + min(max(share, 0.0), 1.0) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    def at(self, when: datetime, value: float) -> tuple[float, float]:
        return self.x(when), self.y(value)


def _band(draw: ImageDraw.ImageDraw, series: Series, frame: _Frame) -> None:
    if series.normal is None:
        return
    if series.tolerance:
        top, bottom = (
            frame.y(series.normal + series.tolerance),
            frame.y(series.normal - series.tolerance),
        )
        draw.rectangle((_LEFT, top, WIDTH - _RIGHT, bottom), fill=_BAND)
    y = frame.y(series.normal)
    for x in range(_LEFT, WIDTH - _RIGHT, 16):
        draw.line((x, y, x + 8, y), fill=_FAINT, width=2)
    draw.text((WIDTH - _RIGHT, y - 4), "baseline", fill=_FAINT, font=_font(18), anchor="rb")


def _grid(draw: ImageDraw.ImageDraw, series: Series, frame: _Frame) -> None:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = frame.low + share * (frame.high - frame.low)
        y = frame.y(value)
        draw.line((_LEFT, y, WIDTH - _RIGHT, y), fill=_GRID, width=1)
        draw.text((_LEFT - 12, y), f"{value:.3g}", fill=_FAINT, font=_font(20), anchor="rm")
    first, last = series.points[0][0], series.points[-1][0]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        when = first + (last - first) * share
        anchor = "lt" if share == 0 else "rt" if share == 1 else "mt"
        place = frame.x(when), HEIGHT - _BOTTOM + 14
        draw.text(place, f"{when:%H:%M}", fill=_FAINT, font=_font(20), anchor=anchor)
    note = f"{first:%Y-%m-%d} UTC" + (f", {series.unit}" if series.unit else "")
    draw.text((WIDTH - _RIGHT, HEIGHT - 12), note, fill=_FAINT, font=_font(18), anchor="rb")


def _onset(draw: ImageDraw.ImageDraw, series: Series, frame: _Frame) -> None:
    onset = series.onset
    if onset is None or not frame.start <= onset.timestamp() <= frame.end:
        return
    x = frame.x(onset)
    draw.line((x, _TOP - 4, x, HEIGHT - _BOTTOM), fill=_ONSET, width=3)
    on_left = x > WIDTH * 0.7
    place, anchor = (x - 10 if on_left else x + 10, _TOP - 6), "rt" if on_left else "lt"
    draw.text(place, f"onset {onset:%H:%M:%S}", fill=_ONSET, font=_font(20), anchor=anchor)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
