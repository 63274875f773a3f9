"""Reads ``vigil.toml``: everything wrong with it is said at once, with the line where it is."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from monitor.settings.crosscheck import cross_check
from monitor.settings.lines import line_of
from monitor.settings.paths import resolve_paths
from monitor.settings.problem import Problem
from monitor.settings.schema import Settings
from vigil.errors import ConfigError

_SECRETS = frozenset(
    {"token", "secret", "routing_key", "session_secret", "database_password", "env", "file"}
)
Path_ = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Located:
    """One mistake: where it is, what was expected, what was found."""

    key: str
    line: int | None
    expected: str
    found: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.key}: expected {self.expected}, found {self.found}"


class SettingsError(ConfigError):
    """All mistakes of one file; the first is also in ``key``, ``expected`` and ``found``."""

    def __init__(self, file: str, problems: tuple[Located, ...]) -> None:
        first = problems[0]
        super().__init__(file, first.key, expected=first.expected, found=first.found)
        self.problems = problems
        self.args = ("\n".join(f"{file}: {problem}" for problem in problems),)


def load_settings(path: Path | str) -> Settings:
    """The settings in a file, with relative paths resolved against its folder.

    Raises:
        SettingsError: (a ConfigError) the file can't be read, is not TOML, or holds settings that
            can't be used; all of them are listed.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
        raise _error(path, "file", "a file that can be read", found) from None
    return parse_settings(text, path)


def parse_settings(text: str, path: Path) -> Settings:
    """The settings in ``text``, as if it stood in the file ``path``.

    Raises:
        SettingsError: as ``load_settings`` does.
    """
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number or a nesting beyond all measure too
        raise _error(path, "file", "TOML", str(error)) from None
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        problems = [_located(detail, raw, text) for detail in error.errors(include_url=False)]
        raise SettingsError(str(path), tuple(_unique(problems))) from None
    found = cross_check(settings)
    if found:
        raise SettingsError(str(path), tuple(_with_line(problem, text) for problem in found))
    return resolve_paths(settings, path.resolve().parent)


def _error(path: Path, key: str, expected: str, found: str) -> SettingsError:
    return SettingsError(str(path), (Located(key=key, line=None, expected=expected, found=found),))


def _with_line(problem: Problem, text: str) -> Located:
    return Located(
        key=_dotted(problem.path),
        line=line_of(text, problem.path),
        expected=problem.expected,
        found=problem.found,
    )


def _located(detail: Any, raw: dict[str, Any], text: str) -> Located:
    path = _path_in(raw, detail["loc"])
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        expected, found = _allowed(path), "an unknown key"
    elif kind == "missing":
        expected, found = "a value", "none"
    elif kind == "union_tag_not_found":
        expected, found = "a table with kind = slack, pagerduty or console", "no kind"
    elif kind == "union_tag_invalid":
        path = (*path, "kind")
        expected, found = detail["ctx"]["expected_tags"], repr(detail["ctx"]["tag"])
    elif kind == "string_pattern_mismatch":
        expected, found = f"text like {detail['ctx']['pattern']}", _shown(path, value)
    else:
        message = str(detail["msg"])
        expected = message
        for opening in ("Input should be ", "Value should have ", "String should have "):
            expected = expected.removeprefix(opening)
        expected = expected[:1].lower() + expected[1:]
        found = _shown(path, value)
    return Located(key=_dotted(path), line=line_of(text, path), expected=expected, found=found)


def _path_in(raw: Any, location: tuple[int | str, ...]) -> Path_:
    """Where the file has it: pydantic also names the member of a union, which the file does not."""
    path: list[str | int] = []
    here = raw
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if part == "[key]":
            continue
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            if not last:
                continue
            here = None
        path.append(part)
    return tuple(path)


def _shown(path: Path_, value: object) -> str:
    """A value as an error may show it: never one that might be a secret."""
    if any(part in _SECRETS for part in path):
        return f"a {type(value).__name__} (not shown: it may be a secret)"
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _allowed(path: Path_) -> str:
    """The keys that the table at this place may have, the likeliest first."""
    model: Any = Settings
    for part in path[:-1]:
        model = _inner(model, part)
        if model is None:
            return "a known key"
    names = list(model.model_fields)
    close = get_close_matches(str(path[-1]), names, n=1)
    if close:
        return f"a known key (did you mean {close[0]}?)"
    return f"one of {', '.join(names)}"


def _inner(model: Any, part: str | int) -> type[BaseModel] | None:
    if isinstance(part, int):
        return model if isinstance(model, type) else None
    field = model.model_fields.get(part)
    if field is None:
        return None
    for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _dotted(path: Path_) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text or "file"


def _unique(problems: list[Located]) -> list[Located]:
    return list(dict.fromkeys(problems))
