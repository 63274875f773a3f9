"""The reference pages of the documentation, written from the source they describe.

``python -m monitor.cli.reference docs`` writes them; a test fails where they are out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from monitor.cli import detectors_page
from monitor.cli.settings_page import configuration
from vigil.types import Signal


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
    """Every signal with its unit, harm and tolerance, by the tasks that have it, as Markdown."""
    from vigil.catalogue import CATALOGUE, ON_REQUEST, TASK_SIGNALS
    from vigil.hardware.signals import HARDWARE_SIGNALS
    from vigil.signals.families import area_name, distance_name, family_signal, stage_name
    from vigil.types import SignalForm

    always = set.intersection(*(set(names) for names in TASK_SIGNALS.values()))
    several = {n for names in TASK_SIGNALS.values() for n in names} - always
    lines = [
        "# Signals\n",
        "What is measured once per inference, per box, or per label; `Tap(task=...)` says which a "
        "model has ([examples](tasks.md)). The tolerance is the drift that never pages, in units "
        "of the effect size; `[models.tolerance]` overrides it. Of each scalar that the baseline "
        "has, the change track also watches the spread, as a stream of its own "
        "(`brightness_spread`); its effect and tolerance are the scalar's. *Written from the "
        "source by `make docs`.*\n",
        "## Every task\n",
        *_signal_rows(name for name in TASK_SIGNALS["classification"] if name in always),
        *_signal_rows(n for n, s in CATALOGUE.items() if s.form is not SignalForm.SCALAR)[2:],
    ]
    for task, names in TASK_SIGNALS.items():
        own = [name for name in names if name in several]
        lines += [f"\n## `{task}`\n", *_signal_rows(own)]
        if task == "segmentation":
            lines.append(_signal_row("area_share_K", family_signal(area_name(1))))
    lines += [
        "\n## On request\n",
        "Counted where they are handed in, and where a tap (`signals=`) or a baseline "
        "(`vigil baseline build --signal`) names them. NAME is a stage of `stages_s` or one of "
        "several `embeddings`.\n",
        *_signal_rows(name for name in CATALOGUE if name in ON_REQUEST),
        _signal_row("stage_NAME_s", family_signal(stage_name("decode"))),
        _signal_row("embedding_distance_NAME", family_signal(distance_name("text"))),
        "\n## Host and GPU\n",
        "Readings of the machine, where they go with the records (`vigil.hardware`).\n",
        *_HEAD,
        *(_signal_row(one.name, one) for one in HARDWARE_SIGNALS),
    ]
    return "\n".join(lines) + "\n"


_HEAD = (
    "| signal | kind | per | unit | range | worse when | tolerance | meaning |",
    "|---|---|---|---|---|---|---|---|",
)


def _signal_rows(names: Iterable[str]) -> list[str]:
    from vigil.catalogue import CATALOGUE

    return [*_HEAD, *(_signal_row(name, CATALOGUE[name]) for name in names)]


def _signal_row(name: str, one: Signal | None) -> str:
    assert one is not None
    harm = "" if one.harm.value == "neither" else one.harm.value
    per = "label" if one.form.value == "outcome" else one.per.value
    span = f"{one.low:g} to {one.high:g}" if one.high < float("inf") else ""
    return (
        f"| `{name}` | {one.kind} | {per} | {one.unit} | {span} | {harm} | {one.tolerance:g} "
        f"| {one.description} |"
    )


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
