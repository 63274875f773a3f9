"""One fault through the real service: ingest, tick, diagnosis, guard, replay, registry, queue.

All in one process, on a clock that is moved by hand: a window of a second takes what it takes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from bench.actions.faults import Fault
from bench.actions.inference import BOOT, SHARE_LABELLED, SOURCE, infer
from bench.actions.learned import NOON, Learned, open_at, registry_of, serving
from bench.actions.scene import Scene
from bench.actions.versions import NEXT
from monitor.demo.configuration import DEPLOYMENT, KEYS, MODEL, SECRETS, WINDOW_S
from monitor.demo.reader import ReaderVersion
from monitor.demo.replay_server import ReplayServer
from monitor.ingest.receipts import LabelIn
from monitor.response import releases
from monitor.schedule.wiring import wire
from monitor.store.tables import ActionRow, IncidentRow
from vigil.clock import ManualClock
from vigil.pipeline.recorder import Recorder
from vigil.types import utc
from vigil.windows.ruler import Ruler

QUIET = 12
"""Healthy live windows before anything happens."""

LASTS = 30
"""Windows from the onset on; more where a rollback has not been judged by then."""

AT_MOST = 90
_DUE_S = 0.45


@dataclass(frozen=True, kw_only=True)
class Played:
    """What the service made of a fault: its incidents and actions, as the database has them.

    ``false``: incidents before the onset. ``serves``: the version at the end.
    """

    onset: datetime
    incidents: tuple[IncidentRow, ...]
    actions: tuple[ActionRow, ...]
    false: int
    serves: str
    windows: int


def play(fault: Fault, learned: Learned, folder: Path) -> Played:
    """Play a fault in an empty folder."""
    learned.copy_to(folder)
    return _Play(fault, learned, folder).run()


class _Play:
    def __init__(self, fault: Fault, learned: Learned, folder: Path) -> None:
        self._fault, self._learned = fault, learned
        self._versions = dict(learned.stage.versions)
        if fault.released is not None:
            release = fault.released(learned)
            self._versions[NEXT] = release(learned.stage.versions[NEXT].network)
        self._replay = ReplayServer(self._versions, SECRETS["VIGIL_DEMO_REPLAY_SECRET"])
        self._clock = ManualClock(NOON)
        self._services = open_at(folder, self._clock, replay_port=self._replay.port)
        # The service has been up for long: it may miss a source at once.
        self._services = replace(self._services, started_at=NOON - timedelta(hours=1))
        self._works = wire(self._services, holder="bench")
        self._registry = registry_of(folder, self._clock)
        self._recorder = Recorder(
            model=MODEL,
            deployment=DEPLOYMENT,
            source=SOURCE,
            boot=BOOT,
            keys=KEYS,
            window_s=WINDOW_S,
            rulers=self._ruler,
            sample_size=160,
            keep_thumbnails=True,
        )
        self._rng = np.random.default_rng([learned.seed, 19])
        self._first = int(NOON.timestamp() / WINDOW_S) + 1
        self._tick = self._first - 1
        self._labels: deque[tuple[int, list[LabelIn]]] = deque()
        self._scene = Scene(cameras=learned.stage.cameras)

    def run(self) -> Played:
        self._replay.start()
        try:
            return self._run()
        finally:
            self._replay.close()
            self._services.close()

    def _run(self) -> Played:
        lead = self._fault.lead if self._fault.released is not None else 0
        for _ in range(QUIET):
            self._window(self._scene)
        if self._fault.released is not None:
            self._release()
        for _ in range(lead):
            self._window(self._scene)
        onset, since = utc(self._tick * WINDOW_S), 0
        while since < LASTS or (since < AT_MOST and self._unsettled()):
            change = self._fault.change
            self._window(change(self._scene, self._learned, since) if change else self._scene)
            since += 1
        with self._services.sessions() as session:
            incidents = session.scalars(select(IncidentRow).order_by(IncidentRow.id)).all()
            actions = session.scalars(select(ActionRow).order_by(ActionRow.id)).all()
            session.expunge_all()
        mine = tuple(one for one in incidents if one.detected_at > onset)
        return Played(
            onset=onset,
            incidents=mine,
            actions=tuple(actions),
            false=len(incidents) - len(mine),
            serves=serving(self._registry),
            windows=self._tick - self._first + 1,
        )

    def _unsettled(self) -> bool:
        """A rollback is under way or not yet judged."""
        with self._services.sessions() as session:
            moving = select(ActionRow.id).where(
                ActionRow.state.in_(("proposed", "executing", "verifying"))
            )
            return session.scalar(moving.limit(1)) is not None

    def _release(self) -> None:
        self._registry.promote(MODEL, DEPLOYMENT, NEXT, actor="bench")
        with self._services.sessions.begin() as session:
            releases.announce(
                session,
                self._services.settings,
                model=MODEL,
                deployment=DEPLOYMENT,
                version=NEXT,
                actor="bench",
                at=self._clock.now(),
            )

    def _window(self, scene: Scene) -> None:
        """One window: seen, inferred, shipped; the service ticks and acts."""
        self._tick += 1
        model: ReaderVersion = self._versions[serving(self._registry)]
        world = self._learned.stage.world
        batch, truth = infer(world, model, scene, self._tick, self._rng)
        sealed_s = self._tick * WINDOW_S + scene.skew_s
        windows = [*self._recorder.add(batch), *self._recorder.seal(sealed_s)]
        if scene.ships and windows:
            receipts = self._services.ingest.windows([one.to_bytes() for one in windows])
            refused = [one for one in receipts if one.status != "accepted"]
            if refused:
                raise RuntimeError(f"the service refused windows: {refused[:2]}")
            known = np.where(batch.prediction >= 0, truth, -1)
            self._label(batch.ids, known, scene.label_delay)
        due = utc(self._tick * WINDOW_S + _DUE_S)
        self._clock.advance((due - self._clock.now()).total_seconds())
        self._works.ticks.run_due()
        self._works.actions.run_due()

    def _label(self, ids: tuple[str, ...], truth: Any, delay: int) -> None:
        rows = np.flatnonzero((self._rng.random(len(ids)) < SHARE_LABELLED) & (truth >= 0))
        made = [LabelIn(id=ids[i], label=int(truth[i])) for i in rows]
        self._labels.append((self._tick + delay, made))
        while self._labels and self._labels[0][0] <= self._tick:
            _, ready = self._labels.popleft()
            receipts = self._services.ingest.labels(ready) if ready else []
            refused = [one for one in receipts if one.status not in ("accepted", "duplicate")]
            if refused:
                raise RuntimeError(f"the service refused labels: {refused[:2]}")

    def _ruler(self, version: str) -> Ruler:
        return self._learned.rulers[version]
