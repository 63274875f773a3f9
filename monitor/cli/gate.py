"""``vigil gate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    DeploymentOption,
    JsonOption,
    actor,
    services_at,
    settings_at,
)
from monitor.cli.output import as_json, rows, say

if TYPE_CHECKING:
    from monitor.gate.evaluation import Evaluation
    from monitor.gate.report import GateReport
    from monitor.settings.gate import Gate
    from monitor.settings.schema import WatchedModel
    from vigil.windows.baseline import Baseline


def gate(
    candidate: Annotated[
        Path, typer.Argument(help="The candidate's predictions on the evaluation set.")
    ],
    control: Annotated[
        Path | None,
        typer.Argument(
            help="The same of the version that serves. Left out: the baseline of the version that "
            "serves, from the database; that takes --model."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Take margins, budgets and guardrails from its settings."),
    ] = None,
    deployment: DeploymentOption = "production",
    version: Annotated[str, typer.Option("--version", help="The candidate's version.")] = "",
    control_version: Annotated[
        str,
        typer.Option(
            "--control-version", help="The version it is held against; by default what serves."
        ),
    ] = "",
    by: Annotated[
        str, typer.Option("--by", help="Columns whose values are slices, with commas between.")
    ] = "",
    margin: Annotated[
        float | None, typer.Option("--margin", help="Loss of accuracy that is acceptable.")
    ] = None,
    slice_margin: Annotated[
        float | None, typer.Option("--slice-margin", help="The same on each slice.")
    ] = None,
    scenarios: Annotated[
        Path | None, typer.Option("--scenarios", help="A TOML file of images that must be right.")
    ] = None,
    latency_budget_s: Annotated[
        float | None, typer.Option("--latency-budget-s", help="Seconds that latency may reach.")
    ] = None,
    cost_budget: Annotated[
        float | None, typer.Option("--cost-budget", help="What an answer may cost.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", dir_okay=False, help="Write JUnit XML there, too.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Keep it in the database; takes --model and --version.")
    ] = False,
    inconclusive_exit: Annotated[
        int, typer.Option("--inconclusive-exit", min=0, max=255, help="Exit code of no answer.")
    ] = 3,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Hold a candidate against the version that serves, before its release.

    Reads .npz, .parquet and .csv with `labels`, `probabilities` (n, K) or `predictions`, and where
    there are: `id`, `latency_s`, `cost` and metadata. Checks accuracy, slices, scenarios,
    calibration, latency and cost, each with an interval.

    Exits with 0: all passed; 1: one failed; 2: input that can't be used; 3: too little to say.
    """
    from monitor.gate import evaluation, words
    from monitor.gate import scenarios as suites
    from monitor.gate.errors import GateError
    from monitor.gate.hold import hold
    from monitor.gate.keep import keep
    from monitor.reports.incident import save
    from monitor.settings.schema import WatchedModel
    from vigil.errors import NotFoundError

    if record and not (model and version):
        raise GateError("--record: expected --model and --version with it")
    if control is None and model is None:
        raise GateError("expected a second file, or --model: its baseline is the control")
    if junit is not None and not junit.parent.is_dir():
        raise NotFoundError(f"{junit}: there is no folder {junit.parent}")
    watched = _watched(config, model, deployment) if model else WatchedModel(name="unknown")
    asked = tuple(dict.fromkeys(one.strip() for one in by.split(",") if one.strip()))
    rules = _rules(
        watched,
        by=asked,
        margin=margin,
        slice_margin=slice_margin,
        latency_budget_s=latency_budget_s,
        cost_budget=cost_budget,
    )
    suite_at = scenarios or rules.scenarios
    suite = suites.load(suite_at) if suite_at else None
    mine = evaluation.load(candidate)
    lacking = [key for key in asked if key not in mine.columns]
    if lacking:
        there = ", ".join(sorted(mine.columns)) or "none"
        raise GateError(f"--by: {candidate}: expected a column {lacking[0]}, found {there:.200}")
    serves = control_version
    if model and not serves and (record or control is None):
        serves = _serving(config, model, deployment, but=version)
    theirs = evaluation.load(control) if control else _baseline(config, model or "", serves)
    report = hold(
        mine,
        theirs,
        rules,
        guardrails=watched.guardrails,
        keys=watched.keys,
        suite=suite,
        names=(version or str(candidate), serves or str(control)),
    )
    if junit is not None:
        save(junit, words.junit(report))
    if record and model:
        with services_at(config) as services, services.sessions.begin() as session:
            keep(
                session,
                report,
                model=model,
                deployment=deployment,
                candidate=version,
                control=serves,
                actor=actor(),
                at=services.clock.now(),
            )
    _show(report, json_wanted=json_wanted)
    code = inconclusive_exit if report.exit_code == 3 else report.exit_code
    if code:
        raise typer.Exit(code)


def _show(report: GateReport, *, json_wanted: bool) -> None:
    from monitor.gate import words

    if json_wanted:
        as_json(words.as_dict(report))
        return
    say(words.sentence(report) + "\n")
    rows(words.rows(report), empty="Nothing was checked.", json_wanted=False)
    for note in report.notes:
        say(f"note: {note}")


def _watched(config: Path, model: str, deployment: str) -> WatchedModel:
    from vigil.errors import NotFoundError

    found = settings_at(config).model(model, deployment)
    if found is None:
        raise NotFoundError(f"{config}: no model {model} in {deployment}")
    return found


def _rules(watched: WatchedModel, **given: Any) -> Gate:
    """The settings, with what the command line says instead.

    Raises:
        GateError: an option out of its range.
    """
    from pydantic import ValidationError

    from monitor.gate.errors import GateError
    from monitor.settings.gate import Gate

    said = {name: value for name, value in given.items() if value not in (None, ())}
    try:
        return Gate.model_validate(watched.gate.model_dump() | said)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise GateError(f"--{option}: {first['msg']}, found {first['input']!r:.40}") from None


def _serving(config: Path, model: str, deployment: str, *, but: str) -> str:
    from monitor.store import releases
    from vigil.errors import NotFoundError

    with services_at(config) as services, services.sessions() as session:
        found = releases.main_version(session, model, deployment, but=but)
        if found is None:
            raise NotFoundError(
                f"{model} in {deployment}: what serves is not known; say --control-version"
            )
        return found


def _baseline(config: Path, model: str, version: str) -> Baseline | Evaluation:
    from monitor.store import baselines
    from vigil.errors import NotFoundError

    with services_at(config) as services, services.sessions() as session:
        found = baselines.active(session, model, version)
    if found is None:
        raise NotFoundError(f"{model}@{version}: no active baseline to hold the candidate against")
    return found
