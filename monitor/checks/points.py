"""What the console and Prometheus see of a tick: one row per model, and the gauges."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from detectors.streams import StreamKey
from monitor.checks.gather import Gathered, parts_of
from monitor.checks.judge import Rules, Standing, measure
from monitor.checks.means import Means
from monitor.checks.recent import Family, RecentTicks
from monitor.checks.references import References
from monitor.metrics import Metrics
from monitor.store.tables import SignalPointRow
from vigil.catalogue import base_of
from vigil.types import Effect

TRAILING_TICKS = 10
"""Effects are shown over the last ten ticks: one tick alone is noise."""

Point = tuple[Standing, Effect | None, float | None]


class Points:
    """Collects what is shown of a tick; the values are written with it and exported after it."""

    def __init__(self, references: References, rules: Callable[[Family], Rules]) -> None:
        self._references = references
        self._rules = rules
        self._latest: dict[Family, list[Point]] = {}

    def write(
        self,
        session: Session,
        model: Gathered,
        standings: Sequence[Standing],
        recent: RecentTicks,
        *,
        tick: int,
        at: datetime,
    ) -> None:
        """One model's row: ``{slice: {signal: [z, effect, evidence, mean, records]}}``."""
        points = self._of(session, model, standings, recent, tick)
        self._latest[model.family] = points
        values: dict[str, dict[str, list[float | None]]] = {}
        for standing, effect, mean in points:
            values.setdefault(str(standing.stream.slice), {})[standing.stream.signal] = [
                _finite(standing.z),
                _finite(effect.value) if effect else None,
                _finite(standing.evidence),
                _finite(mean),
                effect.records if effect else None,
            ]
        session.add(
            SignalPointRow(
                tick_id=tick,
                at=at,
                model=model.family[0],
                deployment=model.family[1],
                versions=model.records,
                records=sum(model.records.values()),
                values=values,
            )
        )

    def keep(self, families: Collection[Family]) -> None:
        """Show these models only: the others have been silent for long."""
        self._latest = {f: points for f, points in self._latest.items() if f in families}

    def export(self, metrics: Metrics) -> None:
        """Set the gauges to the latest tick of every model."""
        gauges: dict[str, dict[tuple[str, ...], float]] = {
            "vigil_signal_effect": {},
            "vigil_signal_evidence": {},
            "vigil_signal_mean": {},
        }
        for points in self._latest.values():
            for standing, effect, mean in points:
                key = _labels(standing.stream)
                gauges["vigil_signal_evidence"][key] = standing.evidence
                if effect is not None and base_of(standing.stream.signal) == standing.stream.signal:
                    gauges["vigil_signal_effect"][key] = effect.value
                if mean is not None:
                    gauges["vigil_signal_mean"][key] = mean
        for name, values in gauges.items():
            metrics.replace(name, values)

    def _of(
        self,
        session: Session,
        model: Gathered,
        standings: Sequence[Standing],
        recent: RecentTicks,
        tick: int,
    ) -> list[Point]:
        trailing = recent.between(model.family, tick - TRAILING_TICKS + 1).values()
        parts = parts_of(session, self._references, trailing)
        if not parts:
            return []
        found = measure(parts, [one.stream for one in standings], self._rules(model.family))
        means = Means(parts)
        return [
            (standing, found.get(standing.stream), means.of(standing.stream)[1])
            for standing in standings
        ]


def _labels(stream: StreamKey) -> tuple[str, ...]:
    return stream.model, stream.deployment, str(stream.slice), stream.signal


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)
