"""The reference pages of the documentation, written from the source they describe.

``python -m monitor.cli.reference docs`` writes them; a test fails where they are out of date.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from monitor.cli.context import DEFAULT_CONFIG

_TOP = "top level"
_INTRO = """# Configuration

One file, `{file}`, is read by every part. `vigil init` writes a commented starter, `vigil config
check` validates it: an error names the file, the key, what was expected and what was found. Unknown
keys are refused. Paths are relative to the file. Secrets are never in it: a setting of type
*secret* names an environment variable, `{{ env = "NAME" }}`, or a file, `{{ file = "path" }}`.

*Written from the schema by `make docs`.*
"""


def configuration() -> str:
    """Every setting with its type and default, as Markdown."""
    from monitor.settings.schema import Settings

    parts = [_INTRO.format(file=DEFAULT_CONFIG)]
    for heading, model, note in _sections(Settings, ""):
        parts.append(f"## {heading}\n")
        if note:
            parts.append(note + "\n")
        lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {_type(field)} | {_default(field)} | {_meaning(heading, name)} |"
            for name, field in model.model_fields.items()
            if not list(_inner(field))
        ]
        if len(lines) > 2:
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def keys() -> list[str]:
    """The dotted name of every setting, with [] for lists and * for names that people choose."""
    from monitor.settings.schema import Settings

    return [
        _key(heading, name)
        for heading, model, _ in _sections(Settings, "")
        for name, field in model.model_fields.items()
        if not list(_inner(field))
    ]


def _key(heading: str, name: str) -> str:
    return f"{heading}.{name}".removeprefix(f"{_TOP}.")


def _meaning(heading: str, name: str) -> str:
    from monitor.settings.meanings import MEANINGS

    return MEANINGS.get(_key(heading, name), "")


def _sections(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel], str]]:
    doc = "" if model.__doc__ is None else model.__doc__.strip()
    yield prefix or _TOP, model, " ".join(line.strip() for line in doc.splitlines())
    for name, field in model.model_fields.items():
        for inner, suffix in _inner(field):
            dotted = f"{prefix}.{name}" if prefix else name
            tag = inner.model_fields.get("kind")
            kind = f" ({typing.get_args(tag.annotation)[0]})" if tag is not None else ""
            yield from _sections(inner, f"{dotted}{suffix}{kind}")


def _inner(field: FieldInfo) -> Iterator[tuple[type[BaseModel], str]]:
    """The sections inside a field, and how its key is written: ``[]``, ``.*`` or nothing."""
    from monitor.settings.schema import SecretRef

    def find(annotation: Any, suffix: str) -> Iterator[tuple[type[BaseModel], str]]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation is not SecretRef:
                yield annotation, suffix
            return
        origin = typing.get_origin(annotation)
        mark = {tuple: "[]", list: "[]", dict: ".*"}.get(origin, suffix) if origin else suffix
        for part in typing.get_args(annotation):
            yield from find(part, mark)

    yield from find(field.annotation, "")


def _type(field: FieldInfo) -> str:
    bounds = []
    for constraint in field.metadata:
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if (value := getattr(constraint, name, None)) is not None:
                bounds.append(f"{sign} {value}")
    text = _name(field.annotation)
    return f"{text}, {' and '.join(bounds)}" if bounds else text


def _name(annotation: Any) -> str:
    from monitor.settings.schema import SecretRef

    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is SecretRef:
        return "secret"
    if origin is typing.Annotated:
        return _name(inner[0])
    if origin is typing.Literal:
        return " or ".join(f'`"{value}"`' for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_name(one) for one in inner if one is not type(None))
    if origin in (tuple, list):
        return f"list of {_name(inner[0])}"
    if origin is dict:
        return f"table of {_name(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, str) and annotation is not str:
        return " or ".join(f'`"{value}"`' for value in annotation)  # type: ignore[attr-defined]
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "*required*"
    if value is None:
        return ""
    if value in ((), {}, []):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str | Path) else f"`{value}`"


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
        "never pages, in units of the effect size; `[models.tolerance]` overrides it. *Written "
        "from the source by `make docs`.*\n",
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
    "metrics.md": metrics,
    "signals.md": signals,
}


def main(folder: Path) -> None:
    for name, write in PAGES.items():
        (folder / name).write_text(write(), encoding="utf-8")
        sys.stdout.write(f"{folder / name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
