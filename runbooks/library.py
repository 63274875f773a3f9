"""Runbooks: the package's pages serve every kind of alert.

A folder of the user's own replaces those of the same name and adds others. A kind without a runbook
is refused at start, not found out at night.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path

from runbooks.page import VARIABLES, Runbook, parse
from vigil.errors import ConfigError, NotFoundError

__all__ = ["VARIABLES", "Library", "Runbook", "load", "parse"]

Served = tuple[str, str]
"""A kind of alert and a signal; no signal: any."""


class Library:
    """All runbooks by name, and by what they serve."""

    def __init__(self, books: Iterable[Runbook]) -> None:
        self._books = {book.name: book for book in books}
        self._serving: dict[Served, Runbook] = {}
        for book in self._books.values():
            for served in served_by(book):
                other = self._serving.setdefault(served, book)
                if other is not book:
                    what = " about ".join(part for part in served if part)
                    raise ConfigError(
                        book.source,
                        "alerts",
                        expected=f"one runbook for {what}",
                        found=f"{book.name} and {other.name}",
                    )

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

    def for_alert(self, kind: str, signal: str = "") -> Runbook:
        """The page for this kind of alert about this signal, where there is one; else the kind's.

        Raises:
            NotFoundError: none serves the kind; ``check`` at start rules that out.
        """
        found = self._serving.get((kind, signal)) or self._serving.get((kind, ""))
        if found is None:
            raise NotFoundError(f"alert {kind!r}: no runbook serves it")
        return found

    def check(self, kinds: Iterable[str]) -> None:
        """Raises:
        ConfigError: a kind of alert has no runbook.
        """
        missing = sorted(kind for kind in kinds if (kind, "") not in self._serving)
        if missing:
            raise ConfigError(
                "runbooks",
                "alerts",
                expected="a runbook for every kind of alert",
                found=f"none for {', '.join(missing)}",
            )


def served_by(book: Runbook) -> set[Served]:
    """What a page serves: its kinds, for its signals where it names some."""
    return {(kind, signal) for kind in book.alerts for signal in book.signals or ("",)}


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
    taken = {served for book in own.values() for served in served_by(book)}
    kept = [_without(book, taken) for name, book in books.items() if name not in own]
    return Library([*kept, *own.values()])


def _without(book: Runbook, taken: set[Served]) -> Runbook:
    """The page without the kinds that a page of the user's own serves in its place."""
    signals = book.signals or ("",)
    left = tuple(k for k in book.alerts if not any((k, signal) in taken for signal in signals))
    return replace(book, alerts=left)


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
