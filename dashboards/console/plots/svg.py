"""The few pieces that every plot is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape


def el(tag: str, *children: str | Markup, **attributes: object) -> Markup:
    """One element. Attribute names lose a trailing underscore, other underscores become hyphens;
    everything that is not Markup is escaped. None leaves an attribute out."""
    parts = []
    for name, value in attributes.items():
        if value is None:
            continue
        text = _coordinate(value) if isinstance(value, float) else str(value)
        parts.append(f' {name.rstrip("_").replace("_", "-")}="{escape(text)}"')
    inner = "".join(str(escape(child)) for child in children)
    return Markup(f"<{tag}{''.join(parts)}>{inner}</{tag}>")


def group(children: Iterable[Markup], **attributes: object) -> Markup:
    return el("g", *children, **attributes)


def figure(width: float, height: float, *children: Markup, label: str, class_: str = "") -> Markup:
    """The outermost element; ``label`` says to a screen reader what the plot shows."""
    return el(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        class_=f"plot {class_}".strip(),
        role="img",
        aria_label=label,
    )


def text(x: float, y: float, content: str, class_: str = "tick", anchor: str = "start") -> Markup:
    return el("text", content, x=float(x), y=float(y), class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return el("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def rect(
    x: float, y: float, width: float, height: float, class_: str, title: str | None = None
) -> Markup:
    children = () if title is None else (el("title", title),)
    return el(
        "rect",
        *children,
        x=float(x),
        y=float(y),
        width=float(max(0.0, width)),
        height=float(max(0.0, height)),
        class_=class_,
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from data to pixels."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        share = 0.5 if span <= 0 else (value - self.low) / span
        return self.start + share * (self.stop - self.start)

    def clip(self, value: float) -> float:
        return self(min(max(value, self.low), self.high))


def path(points: Iterable[tuple[float, float] | None], class_: str) -> Markup:
    """A line through points; None lifts the pen. A point alone is drawn as a dot."""
    commands: list[str] = []
    run: list[tuple[float, float]] = []

    def put_down() -> None:
        if len(run) == 1:
            run.append((run[0][0] + 0.01, run[0][1]))
        for i, (x, y) in enumerate(run):
            commands.append(f"{'M' if i == 0 else 'L'}{_coordinate(x)} {_coordinate(y)}")
        run.clear()

    for point in points:
        if point is None:
            put_down()
        else:
            run.append(point)
    put_down()
    return el("path", d="".join(commands), class_=class_, fill="none")


def nice_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round values inside [low, high], about ``wanted`` of them."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low]
    raw = span / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


_STEPS_S = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10800,
    21600,
    43200,
    86400,
)


def time_ticks(start: datetime, end: datetime, wanted: int = 5) -> list[tuple[datetime, str]]:
    """Round times in [start, end] with their labels."""
    span = (end - start).total_seconds()
    if span <= 0:
        return []
    step = next((s for s in _STEPS_S if s >= span / wanted), 0)
    if not step:
        step = 86400 * max(1, round(span / wanted / 86400))
    form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86400 else "%d %b"
    first = math.ceil(start.timestamp() / step) * step
    moment = start + timedelta(seconds=first - start.timestamp())
    out = []
    while moment <= end:
        out.append((moment, moment.strftime(form)))
        moment += timedelta(seconds=step)
    return out


def axis_label(value: float) -> str:
    """A short number for an axis."""
    if value == 0:
        return "0"
    if abs(value) >= 10000:
        return f"{value / 1000:g}k"
    return f"{value:.6g}".replace("-", "−")


def time_scale(
    start: datetime, end: datetime, left: float, right: float
) -> Callable[[datetime], float]:
    scale = Scale(start.timestamp(), end.timestamp(), left, right)
    return lambda moment: scale(moment.timestamp())


def _coordinate(value: float) -> str:
    if not math.isfinite(value):
        return "0"
    return f"{value:.2f}".rstrip("0").rstrip(".")
