"""Verdicts in the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy.orm import Session

from monitor.store.tables import VerdictRow
from vigil.types import Verdict


def write_verdicts(session: Session, verdicts: Iterable[Verdict], tick: int) -> None:
    """Keep what a tick said of the streams whose evidence passed the threshold."""
    session.add_all(
        VerdictRow(
            tick_id=tick,
            at=verdict.at,
            check=verdict.check,
            model=verdict.model.name,
            version=verdict.model.version,
            deployment=verdict.model.deployment,
            slice=str(verdict.slice),
            signal=verdict.signal,
            outcome=verdict.outcome.value,
            score=verdict.score,
            evidence=verdict.evidence,
            effect=asdict(verdict.effect) if verdict.effect else None,
            onset_at=verdict.onset,
            reason=verdict.reason,
            provisional=verdict.provisional,
        )
        for verdict in verdicts
    )
