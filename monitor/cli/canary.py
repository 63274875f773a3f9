"""``vigil canary``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from monitor.store.tables import CanaryRow

app = typer.Typer(
    name="canary",
    cls=FriendlyGroup,
    help="A new version beside the one that serves, on traffic split at random.",
    no_args_is_help=True,
)

Model = Annotated[str, typer.Argument(help="The model's name.")]
Candidate = Annotated[str, typer.Argument(help="The new version.")]


@app.command()
def start(
    model: Model,
    candidate: Candidate,
    share: Annotated[
        float, typer.Option("--share", help="The share of units that is sent to it, at random.")
    ],
    deployment: DeploymentOption = "production",
    control: Annotated[
        str | None, typer.Option("--control", help="Beside what; by default what serves.")
    ] = None,
    margin: Annotated[
        float, typer.Option("--margin", help="How much worse it may be and still be accepted.")
    ] = 0.01,
    alpha: Annotated[
        float, typer.Option("--alpha", help="The chance of each wrong verdict.")
    ] = 0.01,
    separator: Annotated[
        str,
        typer.Option("--separator", help="What ends the session in a record's id, such as /."),
    ] = "",
    least_inclusion: Annotated[
        float,
        typer.Option(
            "--least-inclusion",
            help="Thin labels that were drawn with known, different chances to this one.",
        ),
    ] = 0.0,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Begin to compare a candidate with what serves, label by label."""
    from monitor.canary import manage
    from monitor.canary.state import CanaryRules

    with services_at(config) as services, services.sessions.begin() as session:
        row = manage.start(
            session,
            services.settings,
            model=model,
            deployment=deployment,
            candidate=candidate,
            share=share,
            control=control,
            margin=margin,
            alpha=alpha,
            actor=actor(),
            at=services.clock.now(),
            rules=CanaryRules(separator=separator, least_inclusion=least_inclusion),
        )
        say(
            f"canary {row.id}: {candidate} beside {row.control} in {model}/{deployment}; units "
            f"reach it with probability {share:g}"
        )


@app.command("list")
def list_(
    model: ModelOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """List canaries, newest first."""
    from monitor.canary import manage

    with services_at(config) as services, services.sessions() as session:
        found = [_row(row) for row in manage.listed(session, model, limit=limit)]
    rows(found, empty="No canary yet: vigil canary start MODEL VERSION", json_wanted=json_wanted)


@app.command()
def end(
    number: Annotated[int, typer.Argument(help="The canary's number.")],
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """End a canary, undecided."""
    from monitor.canary import manage

    with services_at(config) as services, services.sessions.begin() as session:
        manage.end(session, number, actor=actor(), at=services.clock.now(), note=note)
    say(f"canary {number}: ended")


@app.command()
def verdict(
    model: Model,
    candidate: Annotated[
        str, typer.Argument(help="The version; left out: that of the latest canary.")
    ] = "",
    deployment: DeploymentOption = "production",
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Say what a deployer would be told: pass, fail or inconclusive."""
    from monitor.canary.verdict import decide, evidence_of

    with services_at(config) as services, services.sessions() as session:
        found = decide(evidence_of(session, model, deployment, candidate))
    record(
        {
            "result": found.result.value,
            "value": found.value,
            "candidate": found.evidence.candidate,
            "reasons": list(found.reasons),
        },
        json_wanted=json_wanted,
    )


@app.command()
def shadow(
    model: Model,
    deployment: DeploymentOption = "production",
    shadow_deployment: Annotated[
        str, typer.Option("--shadow", help="The deployment in which the shadow records.")
    ] = "shadow",
    since: Annotated[str, typer.Option("--since", help="How far back: 30m, 12h, 7d.")] = "1d",
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Compare a shadow's answers with those of the version that serves, input by input."""
    from alerts.silences.durations import duration
    from monitor.canary.shadow import compare, pairs_of

    with services_at(config) as services, services.sessions() as session:
        pairs = pairs_of(
            session,
            model=model,
            deployment=deployment,
            shadow=shadow_deployment,
            since=services.clock.now() - duration(since),
        )
    found = compare(pairs)
    plain: dict[str, Any] = {
        "inputs": found.pairs,
        "disagree": found.disagree,
        "share": found.share,
        "confidence": list(found.confidence),
        "labelled": found.labelled,
        "loss_of_accuracy": found.loss.value if found.loss else None,
        "low": found.loss.low if found.loss else None,
        "high": found.loss.high if found.loss else None,
        "changed": [
            {"control": control, "shadow": shadowed, "inputs": count}
            for control, shadowed, count in found.changed
        ],
    }
    if json_wanted:
        as_json(plain)
        return
    changed = plain.pop("changed")
    record(plain, json_wanted=False)
    if changed:
        say("")
        rows(changed, empty="", json_wanted=False)


def _row(row: CanaryRow) -> dict[str, Any]:
    old, new = row.result.get("units", (0, 0))
    return {
        "id": row.id,
        "model": row.model,
        "deployment": row.deployment,
        "candidate": row.candidate,
        "control": row.control,
        "share": row.share,
        "state": row.state,
        "units": f"{new} + {old}",
        "difference": row.result.get("difference", 0.0),
        "for rollback": row.evidence_rollback,
        "to accept": row.evidence_accept,
        "needed": 1.0 / row.alpha,
        "outputs differ": bool(row.result.get("outputs_differ")),
        "started_at": row.started_at,
        "reason": row.result.get("reason", ""),
    }
