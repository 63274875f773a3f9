"""``vigil control``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    DeploymentOption,
    JsonOption,
    ModelOption,
    actor,
    services_at,
)
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import rows, say

app = typer.Typer(
    name="control",
    cls=FriendlyGroup,
    help="Softer actions than a rollback: thresholds, flags, shares of traffic, the kill switch.",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(help="The control's number.")]


@app.command("set")
def set_(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    control: Annotated[
        str,
        typer.Argument(
            help="WHAT:NAME=VALUE, such as threshold:accept=0.8, flag:retry=on, share:v2=0.1 or "
            "kill=on."
        ),
    ],
    deployment: DeploymentOption = "production",
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever finds it.")] = "",
    incident: Annotated[
        int | None, typer.Option("--incident", min=1, help="The incident that calls for it.")
    ] = None,
    approve_it: Annotated[
        bool, typer.Option("--approve", help="Allow it at once; the guard still decides.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Ask for a control; the running service carries it out when its guard allows it."""
    from monitor.controls import manage
    from monitor.controls.open import values_of

    what, name, value = _read(control)
    with services_at(config) as services, services.sessions.begin() as session:
        at = services.clock.now()
        row = manage.propose(
            session,
            model=model,
            deployment=deployment,
            what=what,
            name=name,
            value=value,
            actor=actor(),
            at=at,
            target=values_of(services.settings, model, deployment),
            reason=reason,
            incident_id=incident,
        )
        if approve_it:
            manage.approve(session, row.id, plan_hash=row.plan_hash, actor=actor(), at=at)
        say(f"control {row.id}: {manage.plan_of(row).text}")
        if not approve_it:
            say(f"vigil control approve {row.id} {row.plan_hash[:12]}")


@app.command("list")
def list_(
    model: ModelOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List controls, newest first."""
    from monitor.controls import manage

    with services_at(config) as services, services.sessions() as session:
        found: list[dict[str, Any]] = [
            {
                "id": row.id,
                "model": row.model,
                "deployment": row.deployment,
                "what": f"{row.what} {row.name}".strip(),
                "before": row.before,
                "after": row.after,
                "state": row.state,
                "why": row.result.get("text") or row.decision.get("text", ""),
                "asked by": row.actor,
                "approved by": row.approved_by,
                "incident": row.incident_id,
                "plan": row.plan_hash[:12],
                "created_at": row.created_at,
            }
            for row in manage.listed(session, model, limit=limit)
        ]
    rows(found, empty="No control was ever asked for.", json_wanted=json_wanted)


@app.command()
def approve(
    number: Number,
    plan: Annotated[str, typer.Argument(help="The plan's hash as you read it, 12 digits or all.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Allow a waiting control, exactly as its plan stands."""
    from monitor.controls import manage
    from vigil.errors import ConflictError

    with services_at(config) as services, services.sessions.begin() as session:
        row = manage.held(session, number)
        if len(plan) < 12 or not row.plan_hash.startswith(plan):
            raise ConflictError(f"control {number}: its plan is {row.plan_hash[:12]}, not {plan}")
        manage.approve(
            session, number, plan_hash=row.plan_hash, actor=actor(), at=services.clock.now()
        )
    say(f"control {number}: approved")


@app.command()
def withdraw(number: Number, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Take a waiting control back."""
    from monitor.controls import manage

    with services_at(config) as services, services.sessions.begin() as session:
        manage.withdraw(session, number, actor=actor(), at=services.clock.now())
    say(f"control {number}: withdrawn")


@app.command()
def undo(number: Number, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Ask for what was before a control."""
    from monitor.controls import manage
    from monitor.controls.open import values_of

    with services_at(config) as services, services.sessions.begin() as session:
        first = manage.held(session, number)
        row = manage.undo(
            session,
            number,
            actor=actor(),
            at=services.clock.now(),
            target=values_of(services.settings, first.model, first.deployment),
        )
        say(f"control {row.id}: {manage.plan_of(row).text}")
        say(f"vigil control approve {row.id} {row.plan_hash[:12]}")


def _read(control: str) -> tuple[str, str, str]:
    """Raises:
    ControlError: not WHAT:NAME=VALUE.
    """
    from monitor.controls.plan import ControlError

    left, equals, value = control.rpartition("=")
    what, _, name = left.partition(":")
    if not equals or not what:
        raise ControlError(
            "expected WHAT:NAME=VALUE, such as threshold:accept=0.8 or kill=on; "
            f"found {control!r:.60}"
        )
    return what, name, value
