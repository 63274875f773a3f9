"""Runbooks: Markdown with a front matter of TOML between ``+++`` lines.

The package's pages serve every kind of alert; a folder of the user's own replaces those of the same
name and adds others. A kind without a runbook is refused at start, not found out at night.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from runbooks.template import fill, names_in
from vigil.errors import ConfigError, NotFoundError

SEVERITIES = ("info", "warning", "error", "critical")
FENCE = "+++"

# What a page may show of the incident; whoever renders one hands these in.
VARIABLES = frozenset(
    {
        "incident_id",
        "incident_url",
        "model",
        "version",
        "previous_version",
        "deployment",
        "slice",
        "owner",
        "onset",
        "service_url",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Runbook:
    """One page. ``first_step`` is the sentence that an alarm quotes; ``alerts`` are the kinds."""

    name: str
    title: str
    alerts: tuple[str, ...]
    owner: str
    severity: str
    last_reviewed: date
    first_step: str
    body: str
    source: str

    def fill(self, values: Mapping[str, str]) -> str:
        """The body with live values; what is not known stays readable as ``(name)``."""
        return fill(self.body, values)

    def first_step_for(self, values: Mapping[str, str]) -> str:
        return fill(self.first_step, values, markdown=False)


class Library:
    """All runbooks by name, and by the alert that they serve."""

    def __init__(self, books: Iterable[Runbook]) -> None:
        self._books = {book.name: book for book in books}
        self._by_alert: dict[str, Runbook] = {}
        for book in self._books.values():
            for kind in book.alerts:
                other = self._by_alert.get(kind)
                if other is not None:
                    raise ConfigError(
                        book.source,
                        "alerts",
                        expected=f"one runbook for {kind}",
                        found=f"{book.name} and {other.name}",
                    )
                self._by_alert[kind] = book

    def __iter__(self) -> Iterator[Runbook]:
        return iter(sorted(self._books.values(), key=lambda book: book.name))

    def __len__(self) -> int:
        return len(self._books)

    def get(self, name: str) -> Runbook:
        """Raises:
        NotFoundError: there is none of that name.
        """
        try:
            return self._books[name]
        except KeyError:
            raise NotFoundError(f"runbook {name!r}: there is none of that name") from None

    def for_alert(self, kind: str) -> Runbook:
        """Raises:
        NotFoundError: none serves the kind; ``check`` at start rules that out.
        """
        try:
            return self._by_alert[kind]
        except KeyError:
            raise NotFoundError(f"alert {kind!r}: no runbook serves it") from None

    def check(self, kinds: Iterable[str]) -> None:
        """Raises:
        ConfigError: a kind of alert has no runbook.
        """
        missing = sorted(kind for kind in kinds if kind not in self._by_alert)
        if missing:
            raise ConfigError(
                "runbooks",
                "alerts",
                expected="a runbook for every kind of alert",
                found=f"none for {', '.join(missing)}",
            )


def load(folder: str | os.PathLike[str] | None = None) -> Library:
    """The package's runbooks; those in ``folder`` replace and add.

    A page of the user's own takes over the alerts that it names from the package's pages.

    Raises:
        ConfigError: the folder is not there, or a page is not as it should be.
    """
    pages = resources.files("runbooks").joinpath("pages")
    books = {
        entry.name.removesuffix(".md"): parse(entry.read_text("utf-8"), source=entry.name)
        for entry in sorted(pages.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".md")
    }
    own = {} if folder is None else _read_folder(Path(folder))
    taken = {kind for book in own.values() for kind in book.alerts}
    kept = [_without(book, taken) for name, book in books.items() if name not in own]
    return Library([*kept, *own.values()])


def _without(book: Runbook, taken: set[str]) -> Runbook:
    return replace(book, alerts=tuple(kind for kind in book.alerts if kind not in taken))


def _read_folder(folder: Path) -> dict[str, Runbook]:
    if not folder.is_dir():
        found = "no such folder" if not folder.exists() else "not a folder"
        raise ConfigError(str(folder), "runbooks", expected="a folder of pages", found=found)
    books = {}
    for path in sorted(folder.glob("*.md")):
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                str(path), "page", expected="readable UTF-8 text", found=str(error)
            ) from None
        books[path.stem] = parse(text, source=str(path))
    return books


def parse(text: str, *, source: str) -> Runbook:
    """Read one page.

    Args:
        text: front matter and Markdown.
        source: the file; its stem is the runbook's name.

    Raises:
        ConfigError: names the file and the key at fault.
    """
    fields, body = _front_matter(text, source)
    known = {"title", "alerts", "owner", "severity", "last_reviewed", "first_step"}
    for key in sorted(set(fields) - known):
        raise ConfigError(source, key, expected=f"one of {', '.join(sorted(known))}", found=key)
    alerts = fields.get("alerts", [])
    if not isinstance(alerts, list) or not all(isinstance(one, str) and one for one in alerts):
        raise ConfigError(source, "alerts", expected="a list of kinds", found=repr(alerts))
    severity = _text(fields, "severity", source)
    if severity not in SEVERITIES:
        raise ConfigError(
            source, "severity", expected=f"one of {', '.join(SEVERITIES)}", found=repr(severity)
        )
    reviewed = fields.get("last_reviewed")
    if type(reviewed) is not date:
        raise ConfigError(
            source, "last_reviewed", expected="a date such as 2026-11-21", found=repr(reviewed)
        )
    if not body.strip():
        raise ConfigError(source, "page", expected="text after the front matter", found="none")
    first_step = _text(fields, "first_step", source)
    for name in sorted(names_in(body) | names_in(first_step)):
        if name not in VARIABLES:
            raise ConfigError(
                source,
                f"{{{{ {name} }}}}",
                expected=f"one of {', '.join(sorted(VARIABLES))}",
                found=name,
            )
    return Runbook(
        name=Path(source).name.removesuffix(".md"),
        title=_text(fields, "title", source),
        alerts=tuple(alerts),
        owner=_text(fields, "owner", source),
        severity=severity,
        last_reviewed=reviewed,
        first_step=first_step,
        body=body.strip() + "\n",
        source=source,
    )


def _front_matter(text: str, source: str) -> tuple[dict[str, Any], str]:
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].strip() != FENCE or FENCE not in (line.strip() for line in lines[1:]):
        raise ConfigError(
            source, "front matter", expected=f"TOML between two {FENCE} lines", found="none"
        )
    end = next(place for place, line in enumerate(lines) if place and line.strip() == FENCE)
    try:
        fields = tomllib.loads("\n".join(lines[1:end]))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, "front matter", expected="TOML", found=str(error)) from None
    return fields, "\n".join(lines[end + 1 :])


def _text(fields: Mapping[str, Any], key: str, source: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(source, key, expected="a text", found=repr(value))
    return value.strip()
