"""The quality of models and labels as gauges, from the labels of the last 30 days."""

from __future__ import annotations

from datetime import timedelta

from monitor.labelling.quality import QualityReport, quality_of
from monitor.services import Services

EVERY_S = 600.0
BACK = timedelta(days=30)
BOUNDS = ("value", "low", "high")

Family = tuple[str, str]


class QualityGauges:
    """Works them out anew, for every declared model. Each service process does, for its own."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def run_due(self) -> None:
        services = self._services
        now = services.clock.now()
        accuracy: dict[tuple[str, ...], float] = {}
        gold: dict[tuple[str, ...], float] = {}
        agreement: dict[tuple[str, ...], float] = {}
        for watched in services.settings.models:
            family = watched.name, watched.deployment
            with services.sessions() as session:
                found = quality_of(session, services.settings, *family, since=now - BACK, now=now)
            accuracy |= _accuracy(family, found)
            if found.labellers.gold is not None:
                gold[family] = found.labellers.gold.value
            alpha = found.labellers.alpha
            if alpha is not None and alpha.value is not None:
                agreement[family] = alpha.value
        services.metrics.replace("vigil_quality_accuracy", accuracy)
        services.metrics.replace("vigil_label_gold_right", gold)
        services.metrics.replace("vigil_label_agreement", agreement)


def _accuracy(family: Family, found: QualityReport) -> dict[tuple[str, ...], float]:
    whole = [found.quality.whole] if found.quality.whole else []
    return {
        (*family, str(part.slice), bound): getattr(part.quality.accuracy, bound)
        for part in (*whole, *found.quality.slices)
        for bound in BOUNDS
    }
