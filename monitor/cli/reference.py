"""The reference pages of the documentation, written from the source they describe.

``python -m monitor.cli.reference docs`` writes them; a test fails where they are out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from monitor.cli import detectors_page
from monitor.cli.settings_page import configuration


def commands() -> str:
    """Every command with its arguments and options, as Markdown."""
    parts = ["# Commands\n\n*Written from the source by `make docs`.*\n"]
    for name, command in walk(command_tree(), "vigil"):
        parts.append(f"## {name}\n\n{(command.help or '').strip()}\n")
        lines = []
        for one in command.params:
            if one.name == "help":
                continue
            names = ", ".join(f"`{opt}`" for opt in one.opts)
            if one.param_type_name == "argument":
                names = f"`{(one.name or '').upper()}`"
            text = getattr(one, "help", None) or ""
            needed = " *Required.*" if one.required and one.param_type_name == "option" else ""
            lines.append(f"- {names}: {text}{needed}")
        if lines:
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def command_tree() -> Any:
    """The root of all commands."""
    from monitor.cli.app import app

    return typer.main.get_command(app)


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for key in sorted(inner):
        yield from walk(inner[key], f"{name} {key}")


def metrics() -> str:
    """Every metric with its labels, as Markdown."""
    from monitor.metrics import CATALOGUE

    lines = [
        "# Metrics\n",
        "What `/metrics` serves to Prometheus. *Written from the source by `make docs`.*\n",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for one in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.help} |")
    return "\n".join(lines) + "\n"


def signals() -> str:
    """Every signal with its unit, harm and tolerance, as Markdown."""
    from vigil.catalogue import CATALOGUE

    lines = [
        "# Signals\n",
        "What is measured once per inference, or once per label. The tolerance is the drift that "
        "never pages, in units of the effect size; `[models.tolerance]` overrides it. Of each "
        "scalar that the baseline has, the change track also watches the spread, as a stream of "
        "its own (`brightness_spread`); its effect and tolerance are the scalar's. *Written from "
        "the source by `make docs`.*\n",
        "| signal | kind | unit | worse when | tolerance | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for one in CATALOGUE.values():
        harm = "" if one.harm.value == "neither" else one.harm.value
        lines.append(
            f"| `{one.name}` | {one.kind} | {one.unit} | {harm} | {one.tolerance:g} "
            f"| {one.description} |"
        )
    return "\n".join(lines) + "\n"


PAGES = {
    "configuration.md": configuration,
    "cli.md": commands,
    "detectors.md": detectors_page.page,
    "metrics.md": metrics,
    "signals.md": signals,
}


def main(folder: Path) -> None:
    for name, write in PAGES.items():
        (folder / name).write_text(write(), encoding="utf-8")
        sys.stdout.write(f"{folder / name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
