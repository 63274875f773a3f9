"""The labels' share of a tick: their e-processes step, and what crosses is judged with the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from detectors.evidence.calibration import CalibrationEvidence
from detectors.evidence.risk import RiskEvidence
from detectors.frame import frame_of
from detectors.statistics.outcome import outcome_statistics
from monitor.checks.apart import Apart
from monitor.checks.drift_track import Guardrails, tolerances
from monitor.checks.gather import Gathered, parts_of
from monitor.checks.judge import Standing
from monitor.checks.label_tracks import SHARE_OF_BUDGET, Crossed, label_step
from monitor.checks.recent import Family
from monitor.checks.references import References
from monitor.settings.schema import Settings
from monitor.store.tables import StateRow
from vigil.windows import wire

LABELS = "labels"
"""The name of its row of state: risk and calibration."""


class LabelTracks:
    """Steps in ticks in which labels arrived. Its state is read and written in the tick's
    transaction, and held nowhere else."""

    def __init__(self, settings: Settings, references: References) -> None:
        self._references = references
        self._tolerance = tolerances(settings, Guardrails(settings))
        self._threshold = settings.threshold_ticks / SHARE_OF_BUDGET

    def run(
        self,
        session: Session,
        models: Sequence[Gathered],
        standings: dict[Family, list[Standing]],
        apart: Apart,
        *,
        tick: int,
        at: datetime,
    ) -> None:
        """Bet on the labels of a tick. What crosses takes the place of its stream in
        ``standings``, so that it is judged as one with what else happened to the model."""
        parts = {}
        for model in models:
            if any(one.outcomes is not None for one in model.on_time):
                with apart.reading(model.family):
                    found = parts_of(session, self._references, model.on_time)
                    if found and outcome_statistics(frame_of(found)) is not None:
                        parts[model.family] = found  # what can't be read fails here, alone
        if not parts:
            return
        risk, calibration, is_new = self._load(session)
        crossed = label_step(risk, calibration, parts, self._tolerance, tick=tick)
        blob = wire.join([risk.to_bytes(), calibration.to_bytes()])
        values = {"tick_id": tick, "updated_at": at, "blob": blob}
        if is_new:
            session.add(StateRow(name=LABELS, **values))
        else:
            session.execute(update(StateRow).where(StateRow.name == LABELS).values(**values))
        for one in crossed:
            family = (one.stream.model, one.stream.deployment)
            mine = standings.setdefault(family, [])
            place = next((i for i, s in enumerate(mine) if s.stream == one.stream), None)
            if place is None:
                mine.append(_standing(one))
            else:
                mine[place] = _merged(mine[place], one)

    def _load(self, session: Session) -> tuple[RiskEvidence, CalibrationEvidence, bool]:
        blob = session.scalar(select(StateRow.blob).where(StateRow.name == LABELS))
        if blob is None:
            return RiskEvidence(self._threshold), CalibrationEvidence(self._threshold), True
        first, second = wire.split(blob)
        risk, calibration = RiskEvidence.from_bytes(first), CalibrationEvidence.from_bytes(second)
        risk.threshold = calibration.threshold = self._threshold
        return risk, calibration, False


def _standing(one: Crossed) -> Standing:
    return Standing(
        stream=one.stream,
        z=0.0,
        evidence=one.evidence,
        onset_tick=one.first_tick,
        onset_first=one.first_tick,
        onset_last=one.first_tick,
        provisional=False,
        exceeded=True,
        check=one.check,
        effect=one.effect,
    )


def _merged(standing: Standing, one: Crossed) -> Standing:
    """The change track's own view of the stream stays where it passed too."""
    if standing.exceeded and not one.effect.is_large:
        return standing
    return replace(_standing(one), z=standing.z, evidence=max(one.evidence, standing.evidence))
