"""Incidents, releases and registries made by hand, and what responds to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import small_fleet as fleet
from sqlalchemy import select

from alerts.actions.queues.protocol import LabelQueue
from alerts.actions.replay import ReplayClient, pack_reply, unpack_request
from alerts.actions.targets.protocol import RollbackTarget
from alerts.actions.targets.registry import LocalRegistry
from alerts.types import (
    AlertKind,
    Finding,
    Incident,
    MessageEvent,
    Severity,
    TimelineEntry,
)
from monitor.response import record, relabel, rollback_proposal
from monitor.response.announce import Announcer
from monitor.response.outbox import Outbox
from monitor.response.relabel import Relabelling
from monitor.response.rollback import Rollbacks
from monitor.response.worker import ActionWorker
from monitor.store import baselines
from monitor.store.samples import MemorySamples
from monitor.store.tables import ActionRow, IncidentRow, OutboxRow, ReleaseRow, TimelineRow
from vigil.clock import ManualClock
from vigil.types import WHOLE, Cause, Effect, SignalKind

FAMILY = (fleet.MODEL, fleet.DEPLOYMENT)
ONSET = fleet.NOON - timedelta(seconds=10)


def an_effect(value: float, spread: float = 0.05) -> Effect:
    return Effect(
        value=value,
        low=value - spread,
        high=value + spread,
        tolerance=0.15,
        unit="KS distance",
        records=400,
    )


def a_finding(signal: str = "confidence", value: float = 0.6, **values: Any) -> Finding:
    made = Finding(
        signal=signal,
        kind=SignalKind.PREDICTION,
        slice=WHOLE,
        effect=an_effect(value),
        evidence=1e6,
        threshold=fleet.THRESHOLD,
    )
    return replace(made, **values)


def an_incident(**values: Any) -> Incident:
    made = Incident(
        id=0,
        group_key="digits/production/model_regression",
        fingerprint="f" * 32,
        kind=AlertKind.MODEL_REGRESSION,
        cause=Cause.MODEL_REGRESSION,
        severity=Severity.ERROR,
        model=fleet.MODEL,
        model_version="v2",
        deployment=fleet.DEPLOYMENT,
        slice=WHOLE,
        title="digits v2 is worse than v1",
        onset_at=ONSET,
        detected_at=fleet.NOON,
        last_firing_at=fleet.NOON,
        findings=(a_finding(),),
        reasons=("v1 was healthy on the same traffic",),
        labels={
            "previous_version": "v1",
            "release_started_at": ONSET.isoformat(),
            "began_with_release": "yes",
        },
        runbook="model_regression",
    )
    return replace(made, **values)


class Stage:
    """A service, its clock, a registry in which v2 replaced v1, and a worker of actions."""

    def __init__(self, database: str, folder: Path) -> None:
        self.folder, self.database = folder, database
        self.clock = ManualClock(fleet.NOON)
        self.samples = MemorySamples()
        self.registry = LocalRegistry(folder / "registry.json", clock=self.clock)
        self.rules: dict[str, Any] = {}
        self.targets: dict[tuple[str, str], RollbackTarget] = {FAMILY: self.registry}
        self.replays: dict[tuple[str, str], ReplayClient] = {}
        self.queues: dict[tuple[str, str], LabelQueue] = {}
        self.open()

    def open(self, **rules: Any) -> None:
        """(Again) with these rules of rollback, as after a restart."""
        self.rules.update(rules)
        if hasattr(self, "services"):
            self.services.close()
        self.services = fleet.opened(
            self.database,
            self.clock,
            samples=self.samples,
            watched={
                "rollback": fleet.rollback(self.registry.path, **self.rules),
                "relabel": fleet.relabel(self.folder / "labels"),
            },
        )
        self.announcer = Announcer(self.services.settings, self.services.runbooks)
        self.wire()

    def wire(self) -> None:
        self.rollbacks = Rollbacks(self.services, self.announcer, self.targets, self.replays)
        self.relabelling = Relabelling(self.services, self.announcer, self.queues)
        self.worker = ActionWorker(self.services, self.rollbacks, self.relabelling)

    def outbox(self, notifiers: dict[str, Any], *silent: str) -> Outbox:
        return Outbox(
            self.services,
            notifiers,
            silent=frozenset(silent),
            rng=np.random.default_rng(0),
        )

    def incident(self, **values: Any) -> Incident:
        with self.services.sessions.begin() as session:
            entry = TimelineEntry(at=fleet.NOON, kind="detected", actor="vigil", text="It drifts.")
            return record.create(session, an_incident(**values), entry)

    def tell(self, incident: Incident, event: MessageEvent, note: str = "") -> Incident:
        """Queue a message, each under a version of its own."""
        with self.services.sessions.begin() as session:
            touched = record.touch(session, record.get(session, incident.id))
            self.announcer.tell(session, touched, event, at=self.clock.now(), note=note)
        return touched

    def release(self, version: str, previous: str | None, at: Any, **values: Any) -> None:
        with self.services.sessions.begin() as session:
            session.add(
                ReleaseRow(
                    model=fleet.MODEL,
                    deployment=fleet.DEPLOYMENT,
                    version=version,
                    previous=previous,
                    started_at=at,
                    origin="announced",
                    **values,
                )
            )

    def bad_release(self, *, known_good: bool = True, **values: Any) -> tuple[Incident, int]:
        """v2 replaced v1 and is worse: the incident, and the rollback that is proposed."""
        self.release("v1", None, fleet.NOON - timedelta(days=9), known_good=known_good)
        self.release("v2", "v1", ONSET)
        for version in ("v1", "v2"):
            self.registry.promote(*FAMILY, version, actor="ci")
        return self.propose(**values)

    def propose(self, **values: Any) -> tuple[Incident, int]:
        incident = self.incident(**values)
        watched = self.services.settings.models[0]
        with self.services.sessions.begin() as session:
            row = rollback_proposal.propose(session, watched, incident, at=self.clock.now())
            assert row is not None
            return incident, row.id

    def to_label(self, **values: Any) -> tuple[Incident, int]:
        made = {"kind": AlertKind.DOMAIN_SHIFT, "cause": Cause.DOMAIN_SHIFT, **values}
        incident = self.incident(**made)
        watched = self.services.settings.models[0]
        with self.services.sessions.begin() as session:
            row = relabel.propose(session, watched, incident, at=self.clock.now())
            assert row is not None
            return incident, row.id

    def baselines(self) -> None:
        with self.services.sessions.begin() as session:
            for version in ("v1", "v2"):
                baselines.add(session, fleet.baseline(version))

    def traffic(
        self, scene: fleet.Scene, *, first: int = fleet.FIRST - 10, windows: int = 9
    ) -> None:
        """Windows with samples, as they were shipped before now."""
        recorder = fleet.recorder_of("host-1", boot=f"b{first}")
        made = []
        for tick in range(first, first + windows):
            made += recorder.add(fleet.world().batch(tick, scene)[0])
        made += recorder.seal(float(first + windows))
        receipts = self.services.ingest.windows(
            [window.to_bytes() for window in made if window.summary.total_records]
        )
        assert {receipt.status for receipt in receipts} == {"accepted"}

    def replay_by(self, answer: Any) -> None:
        """``answer(request) -> httpx.Response`` is the replay endpoint from now on."""
        client = httpx.Client(transport=httpx.MockTransport(answer))
        self.replays[FAMILY] = ReplayClient("http://model/replay", "s", client=client)
        self.wire()

    def action(self, action_id: int) -> ActionRow:
        with self.services.sessions() as session:
            return session.get_one(ActionRow, action_id)

    def incident_row(self, incident: Incident) -> IncidentRow:
        with self.services.sessions() as session:
            return session.get_one(IncidentRow, incident.id)

    def messages(self) -> list[OutboxRow]:
        with self.services.sessions() as session:
            return list(session.scalars(select(OutboxRow).order_by(OutboxRow.id)))

    def timeline(self, incident: Incident) -> list[str]:
        with self.services.sessions() as session:
            rows = select(TimelineRow.kind).where(TimelineRow.incident_id == incident.id)
            return list(session.scalars(rows.order_by(TimelineRow.id)))

    @property
    def promotions(self) -> list[str]:
        return [one.version for one in self.registry.history(*FAMILY)]


def model_answers(temper: float = 1.0) -> Any:
    """A replay endpoint that does its work: the version reads the images it is sent."""

    def answer(request: httpx.Request) -> httpx.Response:
        version, images = unpack_request(request.content)
        x = fleet.embedding_of(images)
        probabilities = fleet.world().infer(x, temper).astype(np.float32)
        return httpx.Response(200, content=pack_reply(version, probabilities, x.astype(np.float32)))

    return answer
