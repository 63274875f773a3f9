"""Has the candidate lost accuracy: over all records, and on each guardrail slice? Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.gate.evaluation import Bools, Evaluation
from monitor.gate.report import Check, Family, GateOutcome, judge
from monitor.gate.shares import Loss, paired_loss, unpaired_loss
from monitor.settings.gate import Gate
from monitor.settings.schema import Guardrail
from vigil.catalogue import ACCURACY
from vigil.types import WHOLE, Slice
from vigil.windows.summary import Outcomes

UNIT = "loss of accuracy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A slice to look at. ``demanded``: too few records there are no reason to skip it."""

    slice: Slice
    margin: float
    demanded: bool


Losses = Callable[[Slice, Bools, float, float], Loss | None]
"""The loss on a slice whose records of the candidate are given, with the two chances of its
bounds; None where the control has nothing there."""


def against(control: Evaluation, candidate: Evaluation) -> Losses:
    """Both versions on the same records."""

    def of(piece: Slice, rows: Bools, low: float, high: float) -> Loss | None:
        del piece
        sides = [one.right[rows].astype(np.float64) for one in (control, candidate)]
        return paired_loss(*sides, low=low, high=high)

    return of


def against_baseline(outcomes: Outcomes, candidate: Evaluation) -> Losses:
    """The control as its baseline has it: counts of other records, by slice."""

    def of(piece: Slice, rows: Bools, low: float, high: float) -> Loss | None:
        keys, wanted = outcomes.keys, dict(piece.pairs)
        if not wanted.keys() <= set(keys):
            return None
        cells = [
            all(cell[keys.index(key)] == value for key, value in wanted.items())
            for cell in outcomes.cells
        ]
        counts = outcomes.table[np.array(cells, bool)].sum(axis=(0, 1))
        if not counts[0]:
            return None
        return unpaired_loss(
            (int(counts[2]), int(candidate.right[rows].sum())),
            (int(counts[0]), int(rows.sum())),
            low=low,
            high=high,
        )

    return of


def asked_slices(
    candidate: Evaluation, rules: Gate, guardrails: Sequence[Guardrail], keys: Sequence[str]
) -> tuple[list[Asked], list[str]]:
    """Guardrails on accuracy, then every value of the columns ``by`` with enough records; and what
    is left out, in words."""
    found: dict[Slice, Asked] = {}
    notes: list[str] = []
    for one in guardrails:
        piece = Slice.parse(one.slice)
        if one.signal == ACCURACY.name and not piece.is_whole:
            found[piece] = Asked(slice=piece, margin=one.margin, demanded=True)
    for key in dict.fromkeys([*rules.by, *(key for key in keys if key in candidate.columns)]):
        values, counts = np.unique(candidate.columns.get(key, np.zeros(0, str)), return_counts=True)
        if not len(values):
            notes.append(f"slices: {candidate.name} has no column {key}")
        few = [str(value) for value in values[counts < rules.least_records]]
        if few:
            shown = ", ".join(few[:8]) + (f" and {len(few) - 8} more" if len(few) > 8 else "")
            notes.append(f"slices: fewer than {rules.least_records} records with {key} = {shown}")
        for value in values[counts >= rules.least_records]:
            piece = Slice(((key, str(value)),))
            found.setdefault(piece, Asked(slice=piece, margin=rules.slice_margin, demanded=False))
    return list(found.values()), notes


def accuracy_checks(
    candidate: Evaluation, losses: Losses, asked: Sequence[Asked], rules: Gate
) -> Iterator[Check]:
    """The whole, then the slices.

    To pass, each must pass by itself at the error rate; to fail one, the error rate is divided by
    the number of slices, since the more are looked at the more look bad by chance.
    """
    whole = Asked(slice=WHOLE, margin=rules.margin, demanded=True)
    yield _check(candidate, losses, whole, Family.ACCURACY, rules.error_rate, rules)
    for one in asked:
        low = rules.error_rate / len(asked)
        yield _check(candidate, losses, one, Family.SLICE, low, rules)


def _check(
    candidate: Evaluation, losses: Losses, asked: Asked, family: Family, low: float, rules: Gate
) -> Check:
    name = str(asked.slice)
    rows = _rows(candidate, dict(asked.slice.pairs))
    records = int(rows.sum())
    enough = records >= (rules.least_records if family is Family.SLICE else 1)
    found = losses(asked.slice, rows, low, rules.error_rate) if enough else None
    if found is None:
        what = "the control has no record there" if enough else "too few to say"
        return Check(
            family=family,
            name=name,
            outcome=GateOutcome.INCONCLUSIVE,
            text=f"{records} records: {what}",
            limit=asked.margin,
            unit=UNIT,
            records=records,
        )
    outcome = judge(found.low, found.high, asked.margin)
    said = {
        GateOutcome.PASS: "not worse by more than the margin",
        GateOutcome.FAIL: "worse by more than the margin",
        GateOutcome.INCONCLUSIVE: "too few records to tell which side of the margin",
    }[outcome]
    return Check(
        family=family,
        name=name,
        outcome=outcome,
        text=f"{candidate.right[rows].mean():.2%} right: {said}",
        value=found.value,
        low=found.low,
        high=found.high,
        limit=asked.margin,
        unit=UNIT,
        records=records,
    )


def _rows(candidate: Evaluation, pairs: Mapping[str, str]) -> Bools:
    """No record where the evaluation does not know the key."""
    if not pairs.keys() <= candidate.columns.keys():
        return np.zeros(len(candidate), bool)
    return candidate.rows(pairs)
