"""``vigil audit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    ModelOption,
    services_at,
)
from monitor.cli.output import as_json, moment, rows, say

if TYPE_CHECKING:
    from monitor.audit.report import AuditReport, NamedStream

BEYOND = 1


def audit(
    model: ModelOption = None,
    deployment: Annotated[
        str | None, typer.Option("--deployment", help="Only where it runs.")
    ] = None,
    days: Annotated[
        float | None,
        typer.Option("--days", min=0.0, help="Only the last so many days; all that is stored."),
    ] = None,
    burn_in: Annotated[
        float | None,
        typer.Option(
            "--burn-in",
            min=0.0,
            help="Days of windows that teach before judging; half of them, two weeks at most.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Breaks ties among scores.")] = 0,
    save: Annotated[
        bool, typer.Option("--save", help="Show this report in the console and the metrics.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json_wanted: JsonOption = False,
) -> None:
    """Replay stored healthy windows: would they page, and how often against the budget?

    Exit codes: 0 within the budget, 1 beyond it (exact Poisson test at 5 %), 2 no answer: too
    little history, or bad input. Nothing of the running service is touched.
    """
    from rich.console import Console
    from rich.progress import Progress

    from monitor.audit import kept
    from monitor.audit.report import Judgement
    from monitor.audit.run import audit as run
    from monitor.audit.source import Scope
    from monitor.audit.words import document

    scope = Scope(model=model, deployment=deployment, days=days, burn_in_days=burn_in)
    with services_at(config) as services:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("replaying", total=None)
            found = run(
                services.sessions,
                services.settings,
                scope,
                now=services.clock.now(),
                seed=seed,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        if save:
            with services.sessions.begin() as session:
                kept.succeeded(session, document(found), at=services.clock.now())
    if json_wanted:
        as_json(document(found))
    else:
        _tell(found)
    if found.judgement is Judgement.BEYOND:
        raise typer.Exit(BEYOND)


def _tell(found: AuditReport) -> None:
    from monitor.audit.report import MOST_NAMED, length
    from monitor.audit.words import closest, figures, verdict_line

    say(verdict_line(found))
    say(closest(found))
    say("")
    for name, text in figures(found):
        say(f"{name:<22}  {text}")
    if found.page_lines:
        say("\nPages that would have gone out")
        rows(
            [
                {
                    "at": one.at,
                    **_named(one.stream),
                    "streams": one.streams,
                    "windows since onset": one.windows_since_onset,
                }
                for one in found.page_lines[: 2 * MOST_NAMED]
            ],
            empty="",
            json_wanted=False,
        )
    say("\nClosest to paging")
    rows(
        [
            {
                **_named(one.stream),
                "of the threshold": f"{one.share:.1%}",
                "at": moment(one.at),
                "note": "provisional" if one.provisional else "",
            }
            for one in found.peaks
        ],
        empty="No stream showed any evidence.",
        json_wanted=False,
    )
    say("\nDependence between windows (over the streams; independent: 0, and inflation 1)")
    rows(
        [
            {
                "measure": one.name,
                "median": round(one.median, 3),
                "95 %": round(one.high, 3),
                "worst": round(one.worst, 3),
                "stream": f"{one.stream.signal} on {one.stream.slice}",
            }
            for one in found.memory
        ],
        empty=f"Too few windows ({length(found.days)}).",
        json_wanted=False,
    )
    say("\nStrata that leak (mean normal score; healthy: 0)")
    rows(
        [
            {
                "strata": one.kind,
                "streams tested": one.tested,
                "leaking": one.leaking,
                "worst": f"{one.worst:+.2f}" if one.leaking else "",
                "note": one.reason,
            }
            for one in found.kinds
        ],
        empty="",
        json_wanted=False,
    )
    if found.leaks:
        say("")
        rows(
            [
                {
                    "strata": one.kind,
                    "stratum": one.stratum,
                    **_named(one.stream),
                    "effect": f"{one.effect:+.2f}",
                    "p": f"{one.p:.2g}",
                }
                for one in found.leaks[:MOST_NAMED]
            ],
            empty="",
            json_wanted=False,
        )


def _named(stream: NamedStream) -> dict[str, str]:
    return {
        "model": f"{stream.model} ({stream.deployment})",
        "signal": stream.signal,
        "slice": stream.slice,
    }
