"""How the command line prints: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]


def say(text: str) -> None:
    """A line for people."""
    sys.stdout.write(text + "\n")


def moment(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M:%SZ")


def plain(value: Any) -> str:
    """A value as a cell of a table: numbers short, times in UTC, nothing as nothing."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return moment(value)
        case float():
            return f"{value:.4g}"
        case list() | tuple():
            return ", ".join(plain(one) for one in value)
        case dict():
            return ", ".join(f"{key}={plain(one)}" for key, one in value.items())
        case _:
            return str(value)


def as_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, default=_jsonable, ensure_ascii=False) + "\n")


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    return str(value)


def rows(found: Sequence[Row], *, empty: str, json_wanted: bool) -> None:
    """Rows of the same columns as a table, or as a JSON array; ``empty`` explains no rows."""
    if json_wanted:
        as_json([dict(row) for row in found])
        return
    if not found:
        say(empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in found[0]:
        numeric = all(
            isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in found
        )
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left")
    for row in found:
        table.add_row(*(Text(plain(value)) for value in row.values()))
    _console().print(table)


def record(found: Row, *, json_wanted: bool) -> None:
    """One thing, a line a field."""
    if json_wanted:
        as_json(dict(found))
        return
    width = max(len(name) for name in found)
    for name, value in found.items():
        say(f"{name.replace('_', ' '):<{width}}  {plain(value)}")


def _console() -> Console:
    """Wide where it is not a terminal: a file or a pipe has no edge to wrap at."""
    return Console() if sys.stdout.isatty() else Console(width=400, no_color=True)
