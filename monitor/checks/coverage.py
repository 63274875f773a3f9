"""What could be found on each stream: its history, and the smallest shift that would show.

Written now and then with a tick, over the last one of the model; pages and the command line read
it, so that silence is not taken for health.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from detectors.evidence.engine import FleetEvidence
from monitor.checks.recent import Family
from monitor.store.tables import CoverageRow
from vigil.catalogue import ACCURACY, CALIBRATION, LOST_CLASS, signal_of
from vigil.types import SignalForm

EVERY_TICKS = 30
WITHIN_WINDOWS = 30
"""The smallest shift is the one that lasts and shows in so many windows on average."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Findable:
    """One stream. ``smallest``: in the unit of its score; None where the stream abstains."""

    slice: str
    signal: str
    history: int
    needed: int
    smallest: float | None

    @property
    def unit(self) -> str:
        return unit_of(self.signal)

    @property
    def text(self) -> str:
        """``abstains: 34 of 200 windows of history``, or the shift."""
        if self.smallest is None and self.history < self.needed:
            return f"abstains: {self.history} of {self.needed} windows of history"
        if self.smallest is None:
            return "abstains: no shift would show in time yet"
        return f"{self.smallest:.2g} {self.unit}"


def unit_of(signal: str) -> str:
    """What a stream's score is measured in."""
    if signal in (ACCURACY.name, CALIBRATION.name):
        return "of accuracy" if signal == ACCURACY.name else "squared ECE"
    if signal == LOST_CLASS.name:
        return "of a root share"
    known = signal_of(signal)
    form = known.form if known else SignalForm.SCALAR
    return {
        SignalForm.SCALAR: "of the mean rank",
        SignalForm.SPREAD: "of the variance",
        SignalForm.CATEGORY: "chi-square / n",
        SignalForm.VECTOR: "MMD^2",
        SignalForm.OUTCOME: "",
    }[form]


def write(
    session: Session, engine: FleetEvidence, families: Collection[Family], *, at: datetime
) -> None:
    """Keep what the engine says of these models' streams, over what was kept before."""
    values: dict[Family, dict[str, dict[str, list[float | None]]]] = {f: {} for f in families}
    for stream, shift in engine.findable(windows=WITHIN_WINDOWS).items():
        mine = values.get((stream.model, stream.deployment))
        if mine is not None:
            smallest = round(shift, 6) if math.isfinite(shift) else None
            row = mine.setdefault(str(stream.slice), {})
            row[stream.signal] = [engine.history(stream), smallest]
    for (model, deployment), found in values.items():
        session.merge(
            CoverageRow(
                model=model,
                deployment=deployment,
                at=at,
                needed=engine.min_history,
                values=found,
            )
        )


def read(session: Session, model: str, deployment: str) -> tuple[Findable, ...]:
    """What was kept of one model, slice by slice; nothing where there was no look yet."""
    row = session.get(CoverageRow, (model, deployment))
    return () if row is None else tuple(_entries(row.values, row.needed))


def _entries(values: Mapping[str, Any], needed: int) -> list[Findable]:
    return [
        Findable(
            slice=piece,
            signal=signal,
            history=int(history or 0),
            needed=needed,
            smallest=None if smallest is None else float(smallest),
        )
        for piece, signals in values.items()
        for signal, (history, smallest) in signals.items()
    ]
