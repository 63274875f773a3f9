"""``vigil deliveries``."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, actor, services_at
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import rows, say
from vigil.errors import VigilError

app = typer.Typer(
    name="deliveries",
    cls=FriendlyGroup,
    help="Messages: what waits, what was given up, how the receivers fare.",
    no_args_is_help=True,
)

ReceiverOption = Annotated[str | None, typer.Option("--receiver", help="Only this receiver.")]


@app.command("list")
def list_(
    state: Annotated[
        str | None,
        typer.Option("--state", help="waiting, delivered, dead, summarised or withdrawn."),
    ] = None,
    receiver: ReceiverOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List messages that wait or were given up (or those of one state), newest first."""
    from monitor.response.letters import letters

    with services_at(config) as services, services.sessions() as session:
        found = [
            {
                "id": row.id,
                "receiver": row.receiver,
                "event": row.event,
                "incident": row.incident_id,
                "state": row.state,
                "attempts": row.attempts,
                "created": row.created_at,
                "next_attempt": row.next_attempt_at if row.state == "waiting" else None,
                "error": row.last_error,
                "why": row.reason,
            }
            for row in letters(session, state=state, receiver=receiver, limit=limit)
        ]
    empty = "No such message." if state else "Nothing waits, and nothing was given up."
    rows(found, empty=empty, json_wanted=json_wanted)


@app.command()
def receivers(config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False) -> None:
    """Show how each receiver fares: up, busy or down, since when, and what waits for it."""
    from monitor.response.letters import standings

    with services_at(config) as services, services.sessions() as session:
        known = services.settings.receivers
        found = [
            {
                "receiver": one.receiver,
                "kind": one.kind,
                "state": one.state,
                "down_since": one.down_since,
                "last_delivered": one.last_delivered_at,
                "waiting": one.waiting,
                "dead": one.dead,
                "fallback": one.fallback,
                "error": one.last_error,
            }
            for one in standings(session, known, now=services.clock.now())
        ]
    rows(found, empty="No receiver is configured.", json_wanted=json_wanted)


@app.command()
def resend(
    number: Annotated[int | None, typer.Argument(help="The message's number.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    receiver: ReceiverOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Send what was given up again; the running service delivers it."""
    from monitor.response import letters

    if (number is None) is not everything:
        raise VigilError("deliveries resend: expected a number, or --all")
    with services_at(config) as services, services.sessions.begin() as session:
        who, at = actor(), services.clock.now()
        if number is None:
            count = letters.resend_all(session, receiver=receiver, actor=who, at=at)
            text = f"{count} messages wait again" if count != 1 else "1 message waits again"
        else:
            letters.resend(session, number, actor=who, at=at)
            text = f"message {number}: waits again"
    say(text)


@app.command()
def drop(
    number: Annotated[int, typer.Argument(help="The message's number.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Let go a message that nobody needs any more."""
    from monitor.response import letters

    with services_at(config) as services, services.sessions.begin() as session:
        letters.drop(session, number, actor=actor(), at=services.clock.now())
    say(f"message {number}: dropped")
