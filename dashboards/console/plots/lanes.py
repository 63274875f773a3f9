"""Which version served when: a lane for each, as high as its share, with releases as marks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from markupsafe import Markup

from dashboards.console import words
from dashboards.console.plots.svg import (
    el,
    figure,
    group,
    line,
    rect,
    text,
    time_scale,
    time_ticks,
)
from dashboards.console.versionsview import VersionsView

LEFT, RIGHT, LANE, GAP, TOP = 110.0, 12.0, 22.0, 8.0, 18.0
_MARKS = {"announced": "release", "observed": "release", "rollback": "recovered"}
Place = Callable[[datetime], float]


def lanes(view: VersionsView, *, width: float = 1120.0) -> Markup:
    """The spans of ``view`` over its time; the newest version on top."""
    versions = list(dict.fromkeys(span.version for span in view.spans))
    bottom = TOP + len(versions) * (LANE + GAP)
    at = time_scale(view.start, view.end, LEFT, width - RIGHT)
    parts: list[Markup] = []
    for moment, label in time_ticks(view.start, view.end, wanted=7):
        parts.append(line(at(moment), TOP - 4, at(moment), bottom, "gridline"))
        parts.append(text(at(moment), bottom + 13, label, anchor="middle"))
    for row, version in enumerate(versions):
        y = TOP + row * (LANE + GAP)
        parts.append(text(LEFT - 10, y + LANE / 2 + 4, version[:16], "mark-name", "end"))
        parts.append(line(LEFT, y + LANE, width - RIGHT, y + LANE, "axis"))
        parts.extend(_bars(view, version, y, at))
    parts.extend(_events(view, bottom, at))
    told = ", ".join(f"{span.version} {words.share(span.share)}" for span in view.spans[:6])
    return figure(width, bottom + 18, *parts, label=f"versions over time: {told}", class_="lanes")


def _bars(view: VersionsView, version: str, y: float, at: Place) -> Iterator[Markup]:
    for span in view.spans:
        if span.version != version or span.last_at < view.start:
            continue
        left, right = at(max(span.first_at, view.start)), at(min(span.last_at, view.end))
        height = LANE * max(0.06, min(span.share, 1.0))
        until = "now" if span.serves else words.stamp(span.last_at)
        since = words.stamp(span.first_at)
        title = f"{span.version}: {words.share(span.share)} of the traffic, {since} to {until}"
        yield rect(left, y + LANE - height, max(2.0, right - left), height, "lane", title)


def _events(view: VersionsView, bottom: float, at: Place) -> Iterator[Markup]:
    free_from = 0.0
    for event in sorted(view.events, key=lambda one: one.at):
        kind = _MARKS.get(event.kind)
        if kind is None or not view.start <= event.at <= view.end:
            continue
        x, name = at(event.at), event.version[:12]
        named = x >= free_from
        free_from = x + 8 + 6.2 * len(name) if named else free_from
        yield group(
            [
                el("title", f"{event.version}: {event.text}, {words.stamp(event.at)}"),
                line(x, TOP - 6, x, bottom, ""),
                *([text(x + 3, TOP - 8, name, "mark-name")] if named else []),
            ],
            class_=f"mark mark-{kind}",
        )
