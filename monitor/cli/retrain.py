"""``vigil retrain``."""

from __future__ import annotations

import sys
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
from monitor.cli.output import as_json, record, rows, say

app = typer.Typer(
    name="retrain",
    cls=FriendlyGroup,
    help="Ask for a retraining, follow it, and see whether it helped.",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(help="The retraining's number.")]


@app.command()
def propose(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    incident: Annotated[
        int | None, typer.Option("--incident", help="The incident that it is to cure.")
    ] = None,
    deployment: DeploymentOption = "production",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Freeze the labels as a dataset, and propose to train on it."""
    from monitor.retraining import orders

    with services_at(config) as services:
        number = orders.propose(
            services.sessions,
            services.settings,
            services.samples,
            model=model,
            deployment=deployment,
            reason=reason,
            incident_id=incident,
            actor=actor(),
            at=services.clock.now(),
        )
        with services.sessions() as session:
            kept = orders.dataset_of(session, orders.get(session, number))
    assert kept is not None
    say(f"retraining {number}: proposed, on {kept.items} labels in {kept.location}")
    say(f"vigil retrain request {number} asks for it")


@app.command("list")
def list_(
    model: ModelOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List the retrainings, newest first."""
    from monitor.retraining import orders

    with services_at(config) as services, services.sessions() as session:
        found = [
            {
                "number": row.id,
                "state": row.state,
                "model": row.model,
                "deployment": row.deployment,
                "incident": row.incident_id,
                "asked for": row.requested_at,
                "version": row.released_version,
                "reason": row.reason,
                "judgement": row.judgement.get("text", ""),
            }
            for row in orders.listed(session, model=model, limit=limit)
        ]
    rows(found, empty="No retraining was proposed.", json_wanted=json_wanted)


@app.command()
def show(
    number: Number, config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False
) -> None:
    """Show one retraining: its dataset, what was asked of whom, and the judgement."""
    from monitor.retraining.shown import shown

    with services_at(config) as services, services.sessions() as session:
        found: dict[str, Any] = shown(session, number)
    if json_wanted:
        as_json(found)
        return
    flat = {key: value for key, value in found.items() if not isinstance(value, dict)}
    flat["dataset"] = found["dataset"].get("location", "")
    flat["labels"] = found["dataset"].get("items")
    first = found["first_baseline"]
    flat["first baseline"] = " ".join(
        str(first[key]) for key in ("state", "what", "why") if first.get(key)
    )
    flat["receipt"] = found["receipt"].get("text", "")
    flat["judgement"] = found["judgement"].get("text", "")
    record({key: value for key, value in flat.items() if value is not None}, json_wanted=False)


@app.command()
def request(number: Number, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Allow a proposal: the running service asks the hook; without one, people train."""
    from monitor.retraining import orders

    with services_at(config) as services, services.sessions.begin() as session:
        row = orders.request(session, number, actor=actor(), at=services.clock.now())
        hook, order = row.hook, orders.order_id(session, number)
    say(f"retraining {number}: {'asked of ' + hook if hook != orders.BY_HAND else 'by hand'}")
    say(f"its name is {order}: put it into the note of the release, or name the version with")
    say(f"vigil retrain made {number} VERSION")


@app.command()
def made(
    number: Number,
    version: Annotated[str, typer.Argument(help="The version that the training made.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Name the version that a retraining made; once released, it is judged."""
    from monitor.retraining import orders

    with services_at(config) as services, services.sessions.begin() as session:
        orders.name_version(
            session, number, version=version, actor=actor(), at=services.clock.now()
        )
    say(f"retraining {number}: made {version}")


@app.command("accept-baseline")
def accept_baseline(number: Number, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Accept the provisional baseline of the version that a retraining made."""
    from monitor.retraining import first_baseline

    with services_at(config) as services, services.sessions.begin() as session:
        sha256 = first_baseline.accept(session, number, actor=actor(), at=services.clock.now())
    say(f"retraining {number}: baseline {sha256[:12]} judges from now on")


@app.command()
def withdraw(
    number: Number,
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Withdraw a retraining; what a hook has begun is not stopped."""
    from monitor.retraining import orders

    with services_at(config) as services, services.sessions.begin() as session:
        orders.withdraw(session, number, reason=reason, actor=actor(), at=services.clock.now())
    say(f"retraining {number}: withdrawn")


@app.command()
def labels(number: Number, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print the dataset of a retraining, a JSON line a record."""
    from monitor.retraining import orders
    from monitor.retraining.datasets import labels_of
    from vigil.errors import NotFoundError

    with services_at(config) as services, services.sessions() as session:
        kept = orders.dataset_of(session, orders.get(session, number))
        if kept is None:
            raise NotFoundError(f"retraining {number}: its dataset is gone")
        raw = labels_of(session, services.settings, services.samples, kept.sha256)
    sys.stdout.write(raw.decode())
