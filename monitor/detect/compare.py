"""Two tables in, a report out. Pure: no file, no clock, no printing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detector import ALPHA, Comparison, Takes, conclude
from detectors.methods.labels.labelled import Labelled
from monitor.detect.choose import MISSING, Choice, build, choices, known, tolerance_for
from monitor.detect.columns import Pair, pair_columns
from monitor.detect.errors import DetectError
from monitor.detect.holm import holm
from monitor.detect.report import ColumnFinding, Judged, Report, outcome_of, worst_first
from monitor.detect.shapes import Shape, histogram, points, shares
from monitor.detect.slices import Rows, slices_of, worst_slice
from monitor.detect.where import lives_in
from monitor.detect.words import sentence
from vigil.errors import VigilError
from vigil.types import WHOLE, Outcome, Slice

MOST_VECTORS = 2000
"""Rows of vectors a side: their tests take the square of this, times the permutations."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """One column on one slice."""

    pair: Pair
    slice: Slice
    rows: tuple[Rows, Rows]
    choices: tuple[Choice, ...]


def compare_tables(
    reference: Mapping[str, Any],
    current: Mapping[str, Any],
    *,
    columns: Collection[str] | None = None,
    by: Sequence[str] = (),
    detectors: Sequence[str] = (),
    alpha: float = ALPHA,
    tolerances: Mapping[str, float] | None = None,
    names: tuple[str, str] = ("reference", "current"),
    notes: Sequence[str] = (),
    left_out: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Report:
    """Compare two tables, column by column and slice by slice.

    Args:
        reference, current: column to (n,) numbers or texts, (n, d) vectors or (n, h, w, c) images;
            all of one length. ``probabilities`` (n, K), with ``labels`` (n,) where known, are also
            judged for accuracy and calibration.
        columns: only these (``by`` needs not be among them).
        by: metadata columns; every value of each is a slice of its own.
        detectors: names; each compares the columns that it takes. Without one for a column, the
            default of its kind.
        alpha: the chance that any column of tables without a difference is called drifted,
            over all columns, slices and detectors together (Holm's correction).
        tolerances: of a detector (``ks``), a column (``brightness``), or ``brightness:ks``, in the
            unit of the effect.
        names: of the two tables.
        notes, left_out: what reading them had to say.
        seed: of resampling and of samples of vectors.

    A column drifted where a test rejects after the correction *and* the effect's 95 % lower bound
    exceeds the tolerance; it is healthy where the upper bound is below. Records are taken as
    independent: frames of one video are not, and then intervals are too narrow.

    Raises:
        DetectError: an empty table, no common column, an unknown name, columns of other lengths.
    """
    if not 0 < alpha < 1:
        raise DetectError(f"alpha: expected a number between 0 and 1, found {alpha:g}")
    named = known(detectors)
    sides = {
        name: _arrays(table, name) for name, table in zip(names, (reference, current), strict=True)
    }
    if len(sides) != 2:
        sides = {
            "reference": _arrays(reference, "reference"),
            "current": _arrays(current, "current"),
        }
    (before, m), (now, n) = sides.values()
    _check_names(columns, by, before, now, names)
    paired = pair_columns(before, now, columns)
    whole = np.ones(m, bool), np.ones(n, bool)
    gone = dict(left_out or {}) | dict(paired.left_out)
    found: list[_Place] = []
    for pair in paired.pairs:
        chosen = choices(pair, named)
        if chosen:
            found.append(_Place(pair=pair, slice=WHOLE, rows=whole, choices=tuple(chosen)))
        elif pair.kind is not Takes.PROBABILITIES:
            gone[pair.name] = f"no detector for a column of this kind ({pair.kind})"
    if not found:
        raise DetectError(_nothing(names, before, now, paired.schema, gone))
    said = [*notes, *paired.notes]
    slices, remarks = slices_of(before, now, by)
    said += remarks
    found += [
        replace(place, slice=piece, rows=rows)
        for piece, rows in slices
        for place in tuple(found)
        if place.pair.name not in dict(piece.pairs)  # constant there
    ]
    _check_tolerances(tolerances or {}, found)
    if any(place.pair.kind is Takes.EMBEDDING for place in found) and max(m, n) > MOST_VECTORS:
        said.append(f"vectors: at most {MOST_VECTORS:,} rows a side are compared, drawn at random")
    tests = sum(one.decides for place in found for one in place.choices)
    judged = [_judge(place, alpha, tests, tolerances or {}, seed) for place in found]
    corrected = _corrected(judged, alpha)
    findings = [
        _finding(place, comparisons, reason, seed)
        for place, (comparisons, reason) in zip(found, corrected, strict=True)
    ]
    findings += [
        ColumnFinding(
            name=name,
            kind=Takes.SCALAR,
            outcome=Outcome.INCONCLUSIVE,
            records=(m, n),
            reason=f"can't be compared: {reason}",
        )
        for name, reason in paired.mismatched.items()
    ]
    on_slices = worst_first([one for one in findings if not one.slice.is_whole])
    inside = lives_in(
        [(place.pair, one) for place, one in zip(found, findings, strict=False)],
        before,
        now,
        by,
    )
    report = Report(
        reference=names[0],
        current=names[1],
        rows=(m, n),
        alpha=alpha,
        tests=tests,
        columns=worst_first([one for one in findings if one.slice.is_whole]),
        slices=on_slices,
        worst_slice=worst_slice(on_slices),
        lives_in=inside,
        schema=paired.schema,
        left_out=gone,
        notes=tuple(said),
    )
    return replace(report, sentence=sentence(report))


def _arrays(table: Mapping[str, Any], name: str) -> tuple[dict[str, NDArray[Any]], int]:
    arrays = {str(column): np.asarray(values) for column, values in table.items()}
    if not arrays:
        raise DetectError(f"{name}: expected columns, found none")
    lengths = {column: len(array) if array.ndim else 0 for column, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        shown = ", ".join(f"{column} {length}" for column, length in lengths.items())
        raise DetectError(f"{name}: expected columns of one length, found {shown}")
    rows = next(iter(lengths.values()))
    if not rows:
        raise DetectError(f"{name}: expected rows, found none")
    return arrays, rows


def _check_names(
    columns: Collection[str] | None,
    by: Sequence[str],
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    names: tuple[str, str],
) -> None:
    for option, asked in (("--columns", columns or ()), ("--by", by)):
        for name in asked:
            for table, side in zip((before, now), names, strict=True):
                if name not in table:
                    there = ", ".join(sorted(table))
                    raise DetectError(f"{option} {name}: not in {side}; it has {there}")
    for name in by:
        if before[name].ndim != 1 or now[name].ndim != 1:
            raise DetectError(f"--by {name}: expected one value a row, found vectors")


def _nothing(
    names: tuple[str, str],
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    schema: Sequence[str],
    left_out: Mapping[str, str],
) -> str:
    if not before.keys() & now.keys():
        return (
            f"no common column: {names[0]} has {', '.join(sorted(before))}; "
            f"{names[1]} has {', '.join(sorted(now))}"
        )
    reasons = [*schema, *(f"{name}: {reason}" for name, reason in left_out.items())]
    return (
        f"nothing to compare in {names[0]} and {names[1]}: {'; '.join(reasons) or 'no column left'}"
    )


def _check_tolerances(tolerances: Mapping[str, float], places: Sequence[_Place]) -> None:
    fitting = {
        name
        for place in places
        for one in place.choices
        for name in (one.detector, place.pair.name, f"{place.pair.name}:{one.detector}")
    }
    for name, value in tolerances.items():
        if name not in fitting:
            raise DetectError(
                f"--tolerance {name}: expected a column or detector that is compared: "
                f"{', '.join(sorted(one for one in fitting if ':' not in one))}"
            )
        if not 0 <= value < float("inf"):
            raise DetectError(f"--tolerance {name}: expected a number from 0, found {value:g}")


def _judge(
    place: _Place, alpha: float, tests: int, tolerances: Mapping[str, float], seed: int
) -> tuple[list[tuple[Choice, Comparison]], str]:
    """Every detector's comparison; instead of one, why there is none."""
    done: list[tuple[Choice, Comparison]] = []
    reason = ""
    sides = _sides(place, seed)
    deciders = sum(one.decides and one.detector != MISSING for one in place.choices)
    for choice in place.choices:
        detector = build(
            choice,
            alpha=alpha,
            tests=tests,
            tolerance=tolerance_for(tolerances, place.pair.name, choice, deciders),
            seed=seed,
        )
        given = _with_gaps(place) if choice.detector == MISSING else sides
        try:
            done.append((choice, detector.compare(*given)))
        except VigilError as error:
            reason = f"{choice.detector}: {error}"
    return done, reason


def _sides(place: _Place, seed: int) -> tuple[Any, Any]:
    """What the detectors are handed: the slice's rows, of categories those with a value."""
    given = []
    pair = place.pair
    sides = zip((pair.reference, pair.current), place.rows, pair.missing, strict=True)
    for number, (values, rows, missing) in enumerate(sides):
        if isinstance(values, Labelled):
            given.append(values.take(rows))
            continue
        kept = values[rows & ~missing] if pair.kind is Takes.CATEGORY else values[rows]
        if pair.kind is Takes.EMBEDDING and len(kept) > MOST_VECTORS:
            rng = np.random.default_rng([seed, number])
            kept = kept[np.sort(rng.permutation(len(kept))[:MOST_VECTORS])]
        given.append(kept)
    return given[0], given[1]


def _with_gaps(place: _Place) -> tuple[Any, Any]:
    """The missing values alone, as NaN: what the detector of missing data looks at."""
    gaps = [
        np.where(gone[rows], np.nan, 0.0)
        for gone, rows in zip(place.pair.missing, place.rows, strict=True)
    ]
    return gaps[0], gaps[1]


def _corrected(
    judged: Sequence[tuple[list[tuple[Choice, Comparison]], str]], alpha: float
) -> Iterator[tuple[list[Judged], str]]:
    """Holm over every deciding test at once; each conclusion is drawn again from its new p."""
    family = [
        float(one.p_value)
        for comparisons, _ in judged
        for choice, one in comparisons
        if choice.decides and one.p_value is not None and one.effect.records
    ]
    adjusted = iter(holm(family))
    for comparisons, reason in judged:
        out = []
        has_test = any(choice.decides and one.p_value is not None for choice, one in comparisons)
        for choice, one in comparisons:
            decides = choice.decides and (one.p_value is not None or not has_test)
            decides = decides or (choice.decides and not one.effect.records)
            new = one
            if choice.decides and one.p_value is not None and one.effect.records:
                new = conclude(
                    one.detector,
                    one.effect,
                    statistic=one.statistic,
                    p_value=next(adjusted),
                    alpha=alpha,
                    left_out=one.left_out,
                    details=one.details,
                )
            out.append(Judged(comparison=new, p_raw=one.p_value, decides=decides))
        out.sort(key=lambda one: (not one.decides, not _drifted(one), -one.severity))
        yield out, reason


def _drifted(one: Judged) -> bool:
    return one.comparison.outcome is Outcome.DRIFTED


def _finding(place: _Place, judged: list[Judged], reason: str, seed: int) -> ColumnFinding:
    pair = place.pair
    records = int(place.rows[0].sum()), int(place.rows[1].sum())
    missing = (
        int((pair.missing[0] & place.rows[0]).sum()),
        int((pair.missing[1] & place.rows[1]).sum()),
    )
    empty = [
        side
        for side, gone, n in zip(("reference", "current table"), missing, records, strict=True)
        if gone == n
    ]
    outcome = outcome_of(judged) if any(one.decides for one in judged) else Outcome.INCONCLUSIVE
    if empty:
        drifted = outcome is Outcome.DRIFTED
        outcome = Outcome.DRIFTED if drifted else Outcome.NO_DATA
        reason = f"no usable value in the {' and the '.join(empty)}"
    return ColumnFinding(
        name=pair.name,
        kind=pair.kind,
        slice=place.slice,
        outcome=outcome,
        records=records,
        missing=missing,
        judged=tuple(judged),
        reason=reason,
        shape=_shape(place, seed) if place.slice.is_whole or outcome is Outcome.DRIFTED else None,
    )


def _shape(place: _Place, seed: int) -> Shape | None:
    sides = _sides(place, seed)
    match place.pair.kind:
        case Takes.SCALAR:
            return histogram(*sides)
        case Takes.CATEGORY:
            return shares(*sides)
        case Takes.EMBEDDING:
            return points(*sides, seed)
        case _:
            return None
