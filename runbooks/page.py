"""One runbook: Markdown with a front matter of TOML between ``+++`` lines."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from runbooks.steps import Step, renumbered, steps_in
from runbooks.template import fill, names_in
from vigil.errors import ConfigError

SEVERITIES = ("info", "warning", "error", "critical")
FENCE = "+++"
KEYS = frozenset(
    {
        "title",
        "alerts",
        "signals",
        "owner",
        "severity",
        "last_reviewed",
        "first_step",
        "dashboards",
    }
)

# What a page may show of the incident; whoever renders one hands these in.
VARIABLES = frozenset(
    {
        "action",
        "alert",
        "cause",
        "deployment",
        "effect",
        "incident_id",
        "incident_url",
        "model",
        "onset",
        "owner",
        "plan_hash",
        "previous_version",
        "service_url",
        "severity",
        "signals",
        "slice",
        "version",
        "worst_slices",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Runbook:
    """One page. ``first_step`` is the sentence that an alarm quotes; ``alerts`` are the kinds.

    With ``signals`` it serves these kinds only where the most telling signal is one of them.
    ``dashboards``: addresses, or paths of the console, to look at beside it.
    """

    name: str
    title: str
    alerts: tuple[str, ...]
    owner: str
    severity: str
    last_reviewed: date
    first_step: str
    body: str
    source: str
    signals: tuple[str, ...] = ()
    dashboards: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """What a person does, numbered through the page; each can be ticked."""
        return steps_in(self.body)

    def fill(self, values: Mapping[str, str]) -> str:
        """The body with live values; what is not known stays readable as ``(name)``."""
        return fill(self.body, values)

    def first_step_for(self, values: Mapping[str, str]) -> str:
        return fill(self.first_step, values, markdown=False)


def parse(text: str, *, source: str) -> Runbook:
    """Read one page.

    Args:
        text: front matter and Markdown.
        source: the file; its stem is the runbook's name.

    Raises:
        ConfigError: names the file and the key at fault.
    """
    fields, body = _front_matter(text, source)
    for key in sorted(set(fields) - KEYS):
        raise ConfigError(source, key, expected=f"one of {', '.join(sorted(KEYS))}", found=key)
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
    dashboards = _texts(fields, "dashboards", source)
    for place in dashboards:
        if not place.startswith(("/", "http://", "https://")):
            raise ConfigError(
                source, "dashboards", expected="an address or a path such as /audit", found=place
            )
    for name in sorted(names_in(" ".join([body, first_step, *dashboards])) - VARIABLES):
        raise ConfigError(
            source,
            f"{{{{ {name} }}}}",
            expected=f"one of {', '.join(sorted(VARIABLES))}",
            found=name,
        )
    return Runbook(
        name=Path(source).name.removesuffix(".md"),
        title=_text(fields, "title", source),
        alerts=_texts(fields, "alerts", source),
        signals=_texts(fields, "signals", source),
        owner=_text(fields, "owner", source),
        severity=severity,
        last_reviewed=reviewed,
        first_step=first_step,
        dashboards=dashboards,
        body=renumbered(body.strip()) + "\n",
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


def _texts(fields: Mapping[str, Any], key: str, source: str) -> tuple[str, ...]:
    value = fields.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ConfigError(source, key, expected="a list of texts", found=repr(value))
    return tuple(value)
