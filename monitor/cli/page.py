"""``vigil page``."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, actor, settings_at
from monitor.cli.failures import FriendlyGroup
from monitor.cli.output import rows
from vigil.clock import SystemClock
from vigil.errors import NotFoundError

if TYPE_CHECKING:
    from alerts.types import Message

app = typer.Typer(
    name="page", cls=FriendlyGroup, help="The way that pages take.", no_args_is_help=True
)


@app.callback()
def root() -> None:
    """The way that pages take."""


@app.command("test")
def send_test(
    receiver: Annotated[
        list[str] | None, typer.Argument(help="Names of receivers; all of them if none is given.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Send a test page and say what came of it; exits with 1 where one did not arrive."""
    from alerts.types import DeliveryOutcome
    from monitor.receivers import open_receiver

    settings = settings_at(config)
    known = settings.receivers
    for name in receiver or ():
        if name not in known:
            raise NotFoundError(f"receiver {name!r}: there are {', '.join(known) or 'none'}")
    notifiers = {name: open_receiver(name, known[name]) for name in receiver or known}
    found = []
    for name, notifier in notifiers.items():
        message = _message(settings.service.url, who=actor(), at=SystemClock().now())
        delivery = notifier.deliver(message, thread={})
        found.append({"receiver": name, "outcome": delivery.outcome.value, "error": delivery.error})
    rows(found, empty="No receiver: declare one under [receivers.NAME].", json_wanted=json_wanted)
    if any(row["outcome"] != DeliveryOutcome.DELIVERED.value for row in found):
        raise typer.Exit(1)


def _message(base_url: str, *, who: str, at: datetime) -> Message:
    from alerts.text import compose
    from alerts.types import AlertKind, Incident, IncidentState, MessageEvent, Severity
    from vigil.types import WHOLE, Cause

    incident = Incident(
        id=0,
        group_key="test",
        fingerprint="0" * 32,
        kind=AlertKind.VIGIL_SELF,
        cause=Cause.UNKNOWN,
        severity=Severity.INFO,
        model="test",
        model_version="test",
        deployment="test",
        slice=WHOLE,
        title=f"{who} tries whether pages arrive",
        state=IncidentState.OPEN,
        detected_at=at,
        last_firing_at=at,
        runbook="vigil_self",
    )
    return compose(
        incident,
        event=MessageEvent.TEST,
        id=f"test-{uuid.uuid4().hex}",
        now=at,
        base_url=base_url,
        next_step="vigil does nothing: no model is in trouble.",
        todo="Nothing. If you can read this, pages reach you.",
    )
