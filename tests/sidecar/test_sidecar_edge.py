"""An edge device that was offline: its windows land in their own time and are judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_fleet as fleet
from sidecar_rig import RING_BYTES
from sqlalchemy import select

from detectors.evidence.engine import FleetEvidence
from monitor.checks.state import EVIDENCE
from monitor.sidecar.sidecar import Sidecar
from monitor.store.tables import StateRow, WindowRow
from vigil import Tap
from vigil.errors import TransportError
from vigil.shipping.safe_spool import SafeSpool
from vigil.shipping.transport import Receipt

pytestmark = pytest.mark.servers
OFFLINE = 8


@pytest.fixture
def story(sqlite_url: str) -> Iterator[fleet.Story]:
    yield from fleet.story(sqlite_url)


class Line:
    """The way to a real service, which is cut now and then."""

    def __init__(self, story: fleet.Story) -> None:
        self._story, self.is_cut = story, False

    def send(self, blobs: Sequence[bytes]) -> list[Receipt]:
        self._check()
        return [
            Receipt(source=one.source, boot=one.boot, sequence=one.sequence, status=str(one.status))
            for one in self._story.services.ingest.windows(list(blobs))
        ]

    def send_labels(self, labels: Sequence[dict[str, Any]]) -> dict[str, Any]:
        self._check()
        return {}

    def ruler(self, model: str, version: str) -> bytes | None:
        self._check()
        return fleet.ruler_of(version).to_bytes()

    def _check(self) -> None:
        if self.is_cut:
            raise TransportError("offline")


def record(tap: Tap, tick: int) -> None:
    """What the edge's cameras see in a window of a second."""
    batch, _ = fleet.world().batch(tick, source="edge-1")
    tap.record(
        embeddings=np.asarray(batch.embedding),
        outputs=np.asarray(batch.probabilities),
        metadata=[dict(one) for one in batch.metadata],
        version="v1",
    )


def test_windows_of_a_device_that_was_offline_are_judged_in_their_own_time(
    story: fleet.Story, rings: Path, tmp_path: Path
):
    line = Line(story)
    tap = Tap(
        fleet.MODEL,
        "v1",
        source="edge-1",
        deployment=fleet.DEPLOYMENT,
        keys=fleet.KEYS,
        window_s=1.0,
        sidecar=rings,
        clock=story.clock,
        queue_bytes=RING_BYTES * 8,
    )
    sidecar = Sidecar(
        rings,
        spool=SafeSpool(tmp_path / "spool"),
        transport=line,
        rulers=tmp_path / "rulers",
        seed="s",
        now_s=lambda: story.clock.now().timestamp(),
    )

    def edge() -> None:
        sidecar._look_s = sidecar.shipper.next_s = float("-inf")
        sidecar.step()
        while sidecar.ship():
            pass

    for i in range(OFFLINE + 4):
        line.is_cut = 2 <= i < OFFLINE + 2
        record(tap, story.tick + 1)
        edge()
        story.play(1)
        edge()
    tap.close()
    edge()
    story.play(3)
    with story.services.sessions() as session:
        rows = session.execute(
            select(WindowRow.start_at, WindowRow.judged_by, WindowRow.records).where(
                WindowRow.source == "edge-1", WindowRow.records > 0
            )
        ).all()
        (blob,) = session.scalars(select(StateRow.blob).where(StateRow.name == EVIDENCE)).all()
    late = {stream.deployment for stream in FleetEvidence.from_bytes(bytes(blob)).streams}
    assert len({start for start, _, _ in rows}) == len(rows) == OFFLINE + 4
    assert None not in {judged_by for _, judged_by, _ in rows}
    waited = [judged_by - int(start.timestamp()) for start, judged_by, _ in rows]
    assert max(waited) >= OFFLINE  # judged when it came, not when it was made
    assert "production~late" in late
