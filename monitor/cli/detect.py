"""``vigil detect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.context import JsonOption
from monitor.cli.output import as_json


def detect(
    reference: Annotated[Path, typer.Argument(help="The data known to be good.")],
    current: Annotated[Path, typer.Argument(help="The data in question.")],
    columns: Annotated[
        str | None, typer.Option("--columns", help="Only these columns, with commas between.")
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="Metadata columns; the same for each of their values.")
    ] = "",
    detector: Annotated[
        list[str] | None,
        typer.Option(
            "--detector",
            help="Use this detector for the columns it takes; may be repeated. Otherwise ks for "
            "numbers, chi_square for categories, mmd for embeddings, accuracy_change and "
            "calibration_error for labelled probabilities.",
        ),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option(
            "--alpha",
            help="The false-alarm rate of all comparisons together (Holm's correction).",
        ),
    ] = 0.01,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            "--tolerance",
            help="NAME=VALUE: the effect that is no drift, of a detector, a column, or "
            "COLUMN:DETECTOR; may be repeated.",
        ),
    ] = None,
    most_rows: Annotated[
        int, typer.Option("--most-rows", help="Of a larger file, so many rows drawn at random.")
    ] = 100_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seeds all that is random.")] = 0,
    html: Annotated[
        Path | None,
        typer.Option("--html", dir_okay=False, help="Write the report as one HTML file, too."),
    ] = None,
    json_wanted: JsonOption = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with 0 whatever was found.")
    ] = False,
) -> None:
    """Say whether one dataset is like another; needs no service and no configuration.

    Reads .parquet, .npz and .csv. Numbers, categories, embeddings ((n, d) arrays or lists), images
    and `probabilities` (n, K), with `labels` where known, are each compared in their own way. A
    column drifted where its test rejects and its effect is beyond the tolerance.

    Exits with 0: healthy; 1: a column or slice drifted; 2: input that can't be used;
    3: inconclusive, or no data. Fields on one side only are reported, and change no exit code.
    """
    from monitor.detect import detect_files
    from monitor.reports.incident import save
    from vigil.errors import NotFoundError

    if html is not None and not html.parent.is_dir():
        raise NotFoundError(f"{html}: there is no folder {html.parent}")
    report = detect_files(
        reference,
        current,
        columns=None if columns is None else _names(columns),
        by=_names(by),
        detectors=detector or (),
        alpha=alpha,
        tolerances=_tolerances(tolerance or []),
        most_rows=most_rows,
        seed=seed,
    )
    if html is not None:
        from monitor.detect.page import page

        save(html, page(report))
    if json_wanted:
        from monitor.detect.words import as_dict

        as_json(as_dict(report))
    else:
        from monitor.detect.terminal import show

        show(report)
        if html is not None:
            typer.echo(f"\n{html}: {html.stat().st_size / 1e3:.0f} kB")
    if report.exit_code and not exit_zero:
        raise typer.Exit(report.exit_code)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))


def _tolerances(given: list[str]) -> dict[str, float]:
    from monitor.detect.errors import DetectError

    found = {}
    for one in given:
        name, equals, value = one.rpartition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise DetectError(f"--tolerance {one}: expected NAME=VALUE, such as ks=0.2")
    return found
