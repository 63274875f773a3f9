"""``vigil route``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    DeploymentOption,
    JsonOption,
    services_at,
    settings_at,
)
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import as_json, say

if TYPE_CHECKING:
    from monitor.response.route_preview import Preview

app = typer.Typer(
    name="route", cls=FriendlyGroup, help="Who hears of what, and why.", no_args_is_help=True
)

Model = Annotated[str, typer.Option("--model", "-m", help="The model.")]
SeverityName = Annotated[str, typer.Option("--severity", help="info, warning, error or critical.")]
CauseName = Annotated[str, typer.Option("--cause", help="Such as input_fault.")]
KindName = Annotated[
    str | None, typer.Option("--kind", help="The kind of alert; that of the cause if not given.")
]
Slices = Annotated[
    list[str] | None, typer.Option("--slice", help="key=value; again for each further key.")
]
Owner = Annotated[str | None, typer.Option("--owner", help="Instead of the model's own.")]
At = Annotated[
    str | None, typer.Option("--at", help="2026-11-21 03:00, in UTC where it names no offset; now.")
]


@app.command()
def show(config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False) -> None:
    """Draw the tree of routes, and the escalations that they name."""
    from dataclasses import asdict

    from alerts.routing.drawing import drawn, in_words
    from alerts.routing.tree import DEFAULT_RECEIVERS
    from monitor.response.rules import rules_of

    rules = rules_of(settings_at(config))
    lines = list(drawn(rules.routes))
    if json_wanted:
        policies = {name: in_words(policy) for name, policy in rules.policies.items()}
        as_json({"routes": [asdict(line) for line in lines], "escalations": policies})
        return
    for line in lines:
        to = ", ".join(line.receivers) or ("by its routes" if line.depth == 0 else "as around it")
        then = f", then escalation {line.escalation}" if line.escalation else ""
        more = "; goes on" if line.proceed else ""
        say(f"{'    ' * line.depth}{line.place}  {line.match}  ->  {to}{then}{more}")
    say(f"else  ->  {', '.join(DEFAULT_RECEIVERS)}")
    for name, policy in rules.policies.items():
        say(f"escalation {name}: {in_words(policy)}")
    for each in rules.inhibitions:
        say(each.in_words())


@app.command("test")
def ask(
    model: Model,
    severity: SeverityName = "error",
    cause: CauseName = "unknown",
    kind: KindName = None,
    slice: Slices = None,
    owner: Owner = None,
    at: At = None,
    deployment: DeploymentOption = "production",
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Say who would be told of an incident, in what order and why, and what would hold it back."""
    from monitor.response.route_preview import preview
    from monitor.response.route_question import question_of

    with services_at(config) as services, services.sessions() as session:
        question = question_of(
            model=model,
            deployment=deployment,
            severity=severity,
            cause=cause,
            kind=kind or "",
            slice=" & ".join(slice or ()),
            owner=owner,
            at=at or "",
            now=services.clock.now(),
        )
        found = preview(session, services.settings, question)
    if json_wanted:
        as_json(_json(found))
    else:
        _tell(found)


def _tell(found: Preview) -> None:
    from alerts.wording import duration

    labels = ", ".join(f"{key}={value}" for key, value in found.labels.items() if value)
    say(f"{labels}\nat {_utc(found.question.at)}\n")
    for each in found.mutes:
        say(f"{each.stage:<12} {each.outcome.value:<5} {each.reason}")
    say(f"{'route':<12} {'':<5} {found.route}")
    for why in found.passed:
        say(f"{'':<18} not {why}")
    say("\nHeld back. When nothing holds it back any more:" if found.held else "")
    lines = [
        ("at once", f"{told.receiver} [{told.kind}]", "")
        if told.after_s == 0
        else (
            f"after {duration(told.after_s)}",
            f"{told.receiver} [{told.kind}]",
            f"({told.why})",
        )
        for told in found.told
    ]
    first, second = (max((len(line[n]) for line in lines), default=0) for n in (0, 1))
    for when, who, why in lines:
        say(f"  {when:<{first}}  {who:<{second}}  {why}".rstrip())


def _json(found: Preview) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "labels": found.labels,
        "at": found.question.at,
        "held_back": bool(found.held),
        "decisions": [each.to_json() for each in found.mutes],
        "route": found.route,
        "passed_over": list(found.passed),
        "told": [asdict(each) for each in found.told],
    }


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
