"""From a verdict to the page, and a storm: 10 000 alerts of one broken upstream.

The alerts go through the service's own code: bridge, pipeline, outbox on SQLite on disk, and the
PagerDuty notifier over HTTP to a stand-in that checks each event. Writes
``bench/results/alerts.json``:

* ``verdict_to_page_p50_s``, ``verdict_to_page_p99_s``: from the commit of an incident to the moment
  when the receiver has it, one incident after the other;
* ``storm_seconds``: until all alerts of the storm are committed, ``storm_page_s``: from the commit
  of the first until the receiver has it, ``storm_pages``, ``storm_incidents``,
  ``storm_timeline`` lines, ``storm_growth_mib``: what the process grew by meanwhile.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select

from alerts.notifiers.pagerduty import PagerDutyNotifier
from detectors.streams import StreamKey
from monitor.checks.diagnosis import Diagnosis, Drift
from monitor.response.announce import Announcer
from monitor.response.bridge import Bridge
from monitor.response.outbox import Outbox
from monitor.services import Services, open_services
from monitor.settings.alerting import Route
from monitor.settings.schema import Service, Settings, WatchedModel
from monitor.standins.app import StandIns
from monitor.store.tables import IncidentRow, OutboxRow, TimelineRow
from vigil.clock import SystemClock
from vigil.types import WHOLE, Cause, Effect, ModelRef, Slice

RESULTS = Path(__file__).parent / "results" / "alerts.json"
ROUTING_KEY = "k" * 32
MODELS, CAMERAS, SIGNALS = 8, 25, 10
TICKS = 50
"""The storm: in each of so many ticks every camera of every model raises an alert, 10 000 in all;
at one tick a second that is within a minute."""

PAGES = 200


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A service with a receiver, without ticks: alerts are handed to its bridge."""

    services: Services
    bridge: Bridge
    outbox: Outbox
    standins: StandIns

    def raise_all(self, diagnoses: Sequence[Diagnosis]) -> datetime:
        """The alerts of a tick, in one transaction; returns when it was committed."""
        with self.services.sessions.begin() as session:
            for diagnosis in diagnoses:
                self.bridge.raise_alert(session, diagnosis)
        return self.services.clock.now()

    def pages(self) -> list[datetime]:
        """When each page arrived at the receiver."""
        return [one.log[0][0] for one in list(self.standins.pagerduty.incidents)]

    def wait_for(self, pages: int, *, within_s: float = 30.0) -> None:
        deadline = time.monotonic() + within_s
        while len(self.standins.pagerduty.incidents) < pages:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.pages())} of {pages} pages in {within_s:g} s")
            time.sleep(0.001)

    def count(self, table: Any) -> int:
        with self.services.sessions() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0


@contextmanager
def stage(folder: Path, *, models: int = MODELS) -> Iterator[Stage]:
    """Opened on an empty folder; messages are delivered as soon as they are committed."""
    settings = Settings(
        service=Service(database=f"sqlite:///{folder}/vigil.db", samples=str(folder), window_s=1.0),
        models=tuple(
            WatchedModel(name=f"model-{number}", keys=("camera",), upstream="gateway")
            for number in range(models)
        ),
        routes=(Route(receivers=("pager",)),),
    )
    services = open_services(settings)
    with StandIns(routing_key=ROUTING_KEY, clock=SystemClock()) as standins:
        announcer = Announcer(settings, services.runbooks)
        bridge = Bridge(announcer, services.runbooks, services.metrics, window_s=1.0)
        notifier = PagerDutyNotifier(
            "pager", routing_key=ROUTING_KEY, url=f"{standins.url}/pagerduty"
        )
        outbox = Outbox(
            services,
            {"pager": notifier},
            silent=frozenset(),
            rng=np.random.default_rng(0),
        )
        services.sessions.when_added(
            OutboxRow, lambda rows: outbox.kick({row.receiver for row in rows})
        )
        yield Stage(services=services, bridge=bridge, outbox=outbox, standins=standins)
        outbox.deliver_due()
        notifier.close()
    services.close()


def alert(
    model: str, camera: int, signals: Sequence[str], *, at: datetime, onset: datetime, hard: bool
) -> Diagnosis:
    """One camera behind the gateway: black frames (``hard``), or frames that drifted."""
    where = Slice((("camera", f"c{camera}"),)) if camera >= 0 else WHOLE
    effect = Effect(value=0.8, low=0.7, high=0.9, tolerance=0.15, unit="KS distance", records=400)
    drifts = tuple(
        Drift(
            stream=StreamKey(model, "production", where, signal),
            effect=None if hard else effect,
            evidence=0.0 if hard else 1e7,
            threshold=0.0 if hard else 1e5,
            novel=False,
            provisional=False,
            reason="98% of the frames are black" if hard else "",
        )
        for signal in signals
    )
    return Diagnosis(
        model=ModelRef(name=model, version="v1", deployment="production"),
        slice=where,
        cause=Cause.INPUT_FAULT,
        reasons=("98% of the frames are black",),
        drifts=drifts,
        onset=onset,
        at=at,
        hard=hard,
    )


def storm(
    made: Stage, *, models: int = MODELS, cameras: int = CAMERAS, ticks: int = TICKS, hard: bool
) -> dict[str, float]:
    """``models * cameras * ticks`` alerts as fast as they can be taken, and what came of them."""
    signals = ("brightness", "contrast")
    before, began = peak_mib(), time.perf_counter()
    onset, first = made.services.clock.now(), None
    for _ in range(ticks):
        now = made.services.clock.now()
        done = made.raise_all(
            [
                alert(f"model-{model}", camera, signals, at=now, onset=onset, hard=hard)
                for camera in range(cameras)
                for model in range(models)
            ]
        )
        first = first or done
    seconds = time.perf_counter() - began
    made.wait_for(1)
    made.outbox.deliver_due()
    time.sleep(0.5)  # a second page would be here by now
    assert first is not None
    return {
        "alerts": models * cameras * ticks,
        "storm_seconds": round(seconds, 3),
        "storm_page_s": round(max(0.0, (made.pages()[0] - first).total_seconds()), 4),
        "storm_pages": len(made.pages()),
        "storm_incidents": made.count(IncidentRow),
        "storm_messages": made.count(OutboxRow),
        "storm_timeline": made.count(TimelineRow),
        "storm_growth_mib": round(peak_mib() - before, 1),
    }


def verdict_to_page(made: Stage, *, pages: int = PAGES) -> dict[str, float]:
    """One incident after the other, each of a model of its own, and how long its page takes."""
    took = []
    for number in range(pages):
        now = made.services.clock.now()
        one = alert(f"single-{number}", -1, ("brightness",), at=now, onset=now, hard=False)
        committed = made.raise_all([one])
        made.wait_for(number + 1)
        took.append(max(0.0, (made.pages()[number] - committed).total_seconds()))
    p50, p99 = np.quantile(took, [0.5, 0.99])
    return {
        "pages": pages,
        "verdict_to_page_p50_s": round(float(p50), 4),
        "verdict_to_page_p99_s": round(float(p99), 4),
        "verdict_to_page_max_s": round(max(took), 4),
    }


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as made:
        found.update(verdict_to_page(made))
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as made:
        found.update(storm(made, hard=True))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    for name, value in found.items():
        sys.stdout.write(f"{name:<24} {value}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
