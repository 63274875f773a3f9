"""The terminal's voice: plain lines with the seconds since the fault, live as things happen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_STYLES = {
    "detected": "bold red",
    "paged": "bold magenta",
    "mitigating": "yellow",
    "mitigated": "bold yellow",
    "rollback_refused": "bold yellow",
    "rollback_waits": "yellow",
    "relabel_queued": "bold yellow",
    "recovered": "bold green",
    "resolved": "green",
    "widened": "dim",
    "decision": "dim",
}
_SHOWN_AS = {
    "rollback_refused": "refused",
    "rollback_waits": "waits",
    "relabel_queued": "queued",
}


class Telling:
    """Prints the story; ``started`` is the origin of the clock on the left."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.started = time.monotonic()

    def title(self, text: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{escape(text)}", align="left", style="cyan")

    def line(self, text: str, style: str = "") -> None:
        elapsed = time.monotonic() - self.started
        minutes, seconds = divmod(int(elapsed), 60)
        body = f"[{style}]{escape(text)}[/]" if style else escape(text)
        self.console.print(f"[dim]{minutes}:{seconds:02d}[/]  {body}", soft_wrap=True)

    def event(self, after_s: float, kind: str, text: str) -> None:
        """One line of an incident's timeline, ``after_s`` after the fault began."""
        style = _STYLES.get(kind, "")
        word = _SHOWN_AS.get(kind, kind).replace("_", " ").upper()
        label = f"[{style}]{word:<10}[/]" if style else f"{word:<10}"
        self.console.print(f"[dim]{after_s:+6.1f} s[/]  {label} {escape(text)}", soft_wrap=True)

    @contextmanager
    def progress(self, text: str) -> Iterator[Progress]:
        """A bar while something long runs; afterwards the caller prints what came of it."""
        with Progress(
            TextColumn("      {task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        ) as bar:
            bar.add_task(text, total=1.0)
            yield bar
