"""The settings described from their schema."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo

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
            if inner is model:  # routes inside routes
                continue
            dotted = f"{prefix}.{name}" if prefix else name
            tag = inner.model_fields.get("kind")
            literal = tag is not None and typing.get_origin(tag.annotation) is typing.Literal
            kind = f" ({typing.get_args(tag.annotation)[0]})" if tag and literal else ""
            yield from _sections(inner, f"{dotted}{suffix}{kind}")


def _inner(field: FieldInfo) -> Iterator[tuple[type[BaseModel], str]]:
    """The sections inside a field, and how its key is written: ``[]``, ``.*`` or nothing."""
    from monitor.settings.fields import SecretRef

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
    from monitor.settings.fields import SecretRef

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
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return ""
    if value in ((), {}, []):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str | Path) else f"`{value}`"
