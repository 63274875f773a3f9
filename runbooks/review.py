"""What is wrong with a library of runbooks that loads: old pages, dead links, unknown names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from runbooks.library import Library
from runbooks.page import Runbook

_LINK = re.compile(r"/runbooks/([\w-]+)")
_FENCED = re.compile(r"```[^\n]*\n(.*?)```", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
_SPAN = re.compile(r"`([^`\n]+)`")


class Fault(StrEnum):
    NOT_REVIEWED = "not_reviewed"
    FROM_THE_FUTURE = "reviewed_in_the_future"
    UNKNOWN_ALERT = "unknown_alert"
    UNKNOWN_SIGNAL = "unknown_signal"
    DEAD_LINK = "dead_link"
    UNKNOWN_COMMAND = "unknown_command"
    NO_STEPS = "no_steps"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    page: str
    fault: Fault
    text: str


def review(
    library: Library,
    *,
    today: date,
    within: timedelta,
    alerts: Collection[str],
    signals: Collection[str],
    command_fault: Callable[[str], str],
) -> list[Problem]:
    """Every problem of every page, by page.

    Args:
        within: how long a review holds.
        alerts: the kinds of alert that there are.
        signals: the signals that there are.
        command_fault: what is wrong with a command line of ours; empty where nothing is.
    """
    names = {book.name for book in library}
    found: list[Problem] = []
    for book in library:
        found += _dates(book, today, within)
        for kind in book.alerts:
            if kind not in alerts:
                found.append(_problem(book, Fault.UNKNOWN_ALERT, f"there is no alert {kind!r}"))
        for signal in book.signals:
            if signal not in signals:
                text = f"there is no signal {signal!r}"
                found.append(_problem(book, Fault.UNKNOWN_SIGNAL, text))
        for name in sorted(set(_LINK.findall(book.body)) - names):
            text = f"links to runbook {name!r}, which is not there"
            found.append(_problem(book, Fault.DEAD_LINK, text))
        for line in commands_in(book.body):
            if fault := command_fault(_PLACEHOLDER.sub(r"\1", line)):
                found.append(_problem(book, Fault.UNKNOWN_COMMAND, f"{line}: {fault}"))
        if not book.steps:
            text = "has no numbered step that could be ticked"
            found.append(_problem(book, Fault.NO_STEPS, text))
    return found


def commands_in(body: str) -> list[str]:
    """Every command line of ours on a page: lines of code blocks and code spans that begin with
    ``vigil`` and say more than that."""
    blocks = [line for block in _FENCED.findall(body) for line in block.split("\n")]
    spans = _SPAN.findall(_FENCED.sub("", body))
    lines = (line.strip() for line in [*blocks, *spans])
    return [line for line in lines if line.startswith("vigil ")]


def _dates(book: Runbook, today: date, within: timedelta) -> Iterator[Problem]:
    if book.last_reviewed > today:
        text = f"says it was reviewed on {book.last_reviewed}, which is still to come"
        yield _problem(book, Fault.FROM_THE_FUTURE, text)
    elif today - book.last_reviewed > within:
        text = f"was last reviewed on {book.last_reviewed}, more than {within.days} days ago"
        yield _problem(book, Fault.NOT_REVIEWED, text)


def _problem(book: Runbook, fault: Fault, text: str) -> Problem:
    return Problem(page=book.name, fault=fault, text=text)
