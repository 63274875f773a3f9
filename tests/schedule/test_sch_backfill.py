"""Logged records become history: learnt, never judged, and the same however they are batched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_fleet as fleet

from detectors.evidence.engine import FleetEvidence
from monitor.backfill import backfill
from monitor.checks.state import EVIDENCE
from monitor.services import Services
from monitor.store import baselines
from monitor.store.tables import LabelRow, SourceRow, StateRow, WindowRow
from vigil.clock import ManualClock
from vigil.errors import NotFoundError
from vigil.measuring.batch import RecordBatch


@pytest.fixture
def services(database_url: str):
    opened = fleet.opened(database_url, ManualClock(fleet.NOON))
    with opened.sessions.begin() as session:
        baselines.add(session, fleet.baseline("v1"))
    yield opened
    opened.close()


def past(windows: int, scene: fleet.Scene = fleet.HEALTHY):
    for tick in range(fleet.FIRST - windows, fleet.FIRST):
        batch, labels = fleet.world().batch(tick, scene, source="log")
        yield batch, fleet.some_labels(batch, labels)


def engine(services: Services) -> FleetEvidence:
    with services.sessions() as session:
        return FleetEvidence.from_bytes(session.get_one(StateRow, EVIDENCE).blob)


def learnt(services: Services) -> dict[str, int]:
    known = engine(services)
    return {
        stream.signal: known.history(stream) for stream in known.streams if stream.slice.is_whole
    }


def test_records_become_windows_labels_and_history(services: Services):
    report = backfill(services, services.settings.models[0], past(30))
    assert (report.windows, report.records, report.labels) == (30, 30 * 48, 30 * 12)
    assert report.rejected == ()
    assert report.last == fleet.at(fleet.FIRST - 1)
    assert learnt(services)["confidence"] == 30
    assert learnt(services)["accuracy"] == 30
    with services.sessions() as session:
        assert {row.origin for row in session.query(WindowRow)} == {"backfill"}
        assert None not in {row.judged_by for row in session.query(LabelRow)}
        assert session.query(SourceRow).count() == 0


def test_one_batch_of_many_windows_gives_the_history_of_many_batches(
    services: Services,
):
    """Each label counts in the window of its record, not in the last one of its batch."""
    single = list(past(30))
    backfill(services, services.settings.models[0], single)
    before = learnt(services)
    with services.sessions.begin() as session:
        session.delete(session.get_one(StateRow, EVIDENCE))
        session.query(LabelRow).delete()
        session.query(WindowRow).delete()
    joined = RecordBatch.concatenate([batch for batch, _ in single])
    labels = np.concatenate([one for _, one in single])
    backfill(services, services.settings.models[0], [(joined, labels)])
    assert learnt(services) == before


def test_a_version_without_a_baseline_is_refused_before_anything_is_kept(services: Services):
    with pytest.raises(NotFoundError, match="v9"):
        backfill(
            services, services.settings.models[0], past(3, replace(fleet.HEALTHY, version="v9"))
        )
    with services.sessions() as session:
        assert session.query(WindowRow).count() == 0


def test_no_records_are_no_history_and_no_failure(services: Services):
    report = backfill(services, services.settings.models[0], [])
    assert (report.windows, report.streams, report.first) == (0, 0, None)


def test_keys_are_those_of_the_baseline_whatever_their_order_in_the_settings(services: Services):
    watched = services.settings.models[0].model_copy(update={"keys": ("camera", "site")})
    report = backfill(services, watched, past(5))
    assert (report.windows, report.labels) == (5, 60)
    cameras = [s for s in engine(services).streams if str(s.slice) == "camera=n1"]
    assert "accuracy" in {stream.signal for stream in cameras}
