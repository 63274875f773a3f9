"""Verdicts in the database: every one that is not healthy, and the change back to healthy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from detectors.streams import StreamKey
from monitor.store.tables import VerdictRow
from vigil.types import ModelRef, Outcome, Slice, Verdict

LOOK_BACK = timedelta(days=30)


class VerdictLog:
    """Writes verdicts, and knows which streams have yet to be seen healthy again."""

    def __init__(self) -> None:
        self._unsettled: dict[StreamKey, tuple[Outcome, str]] = {}

    @classmethod
    def read(cls, session: Session, *, at: datetime) -> VerdictLog:
        """As the database has it: the streams whose last verdict is not healthy."""
        log = cls()
        rows = session.execute(
            select(
                VerdictRow.model,
                VerdictRow.deployment,
                VerdictRow.slice,
                VerdictRow.signal,
                VerdictRow.outcome,
                VerdictRow.version,
            )
            .where(VerdictRow.at > at - LOOK_BACK, VerdictRow.check != "drift")
            .order_by(VerdictRow.at, VerdictRow.id)
        )
        for model, deployment, piece, signal, outcome, version in rows:
            stream = StreamKey(model, deployment, Slice.parse(piece), signal)
            log._note(stream, Outcome(outcome), version)
        return log

    def write(self, session: Session, verdicts: Iterable[Verdict], tick: int) -> None:
        """Keep verdicts that say something new: drift always, the others where they differ from
        the last one of their stream."""
        kept = []
        for verdict in verdicts:
            stream = _stream_of(verdict)
            before, _ = self._unsettled.get(stream, (Outcome.HEALTHY, ""))
            if verdict.outcome is Outcome.DRIFTED or verdict.outcome is not before:
                kept.append(verdict)
            self._note(stream, verdict.outcome, verdict.model.version)
        write_verdicts(session, kept, tick)

    def settle(
        self,
        session: Session,
        still: Iterable[StreamKey],
        *,
        tick: int,
        at: datetime,
        threshold: float,
    ) -> None:
        """Write the change back to healthy of all streams but those that ``still`` drift."""
        calm = set(self._unsettled).difference(still)
        self.write(
            session,
            [
                _healthy(stream, self._unsettled[stream][1], at=at, threshold=threshold)
                for stream in sorted(calm)
            ],
            tick,
        )

    def _note(self, stream: StreamKey, outcome: Outcome, version: str) -> None:
        if outcome is Outcome.HEALTHY:
            self._unsettled.pop(stream, None)
        else:
            self._unsettled[stream] = (outcome, version)


def _stream_of(verdict: Verdict) -> StreamKey:
    model = verdict.model
    return StreamKey(model.name, model.deployment, verdict.slice, verdict.signal)


def _healthy(stream: StreamKey, version: str, *, at: datetime, threshold: float) -> Verdict:
    return Verdict(
        check="change",
        model=ModelRef(name=stream.model, version=version, deployment=stream.deployment),
        signal=stream.signal,
        slice=stream.slice,
        outcome=Outcome.HEALTHY,
        score=0.0,
        effect=None,
        evidence=0.0,
        threshold=threshold,
        onset=None,
        at=at,
        reason="the evidence has passed and no incident holds it",
    )


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
            onset_first_at=verdict.onset_first,
            onset_last_at=verdict.onset_last,
            reason=verdict.reason,
            provisional=verdict.provisional,
        )
        for verdict in verdicts
    )
