"""The loop that closes: labels come back, a version is trained on them, and vigil judges it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from monitor.demo.configuration import DEPLOYMENT, MODEL
from monitor.demo.fleet import Fleet
from monitor.demo.retraining import trained_on
from monitor.demo.service import DemoError, ServiceClient
from monitor.demo.stage import Stage, fit, looks_of
from monitor.demo.telling import Telling
from monitor.demo.world import Camera
from monitor.standins.labeller import answer
from vigil.types import utc

LIMIT_S = 60.0
Found = TypeVar("Found")
SERVES, TRAINED = "v3", "v4"


class Loop:
    """What people and their pipeline do after a domain shift."""

    def __init__(
        self, stage: Stage, fleet: Fleet, client: ServiceClient, telling: Telling, *, seed: int
    ) -> None:
        self._stage, self._fleet, self._client = stage, fleet, client
        self._telling, self._seed = telling, seed

    def train(self, incident: int, cameras: Sequence[Camera], queue: Path) -> int:
        """Label, propose a retraining, train, build the baseline; returns the retraining's number.

        The new version can be released then.
        """
        labelled = answer(queue, self._fleet.shown)
        self._wait(lambda: self._returned(incident))
        self._telling.line(f"{len(labelled)} images are labelled, and vigil has the labels", "cyan")
        number = self._propose(incident)
        self._client.post(f"/v1/retrainings/{number}/request", {})
        model = trained_on(self._stage, SERVES, TRAINED, labelled, self._seed)
        rng = np.random.default_rng([self._seed, 5])
        looks = list(looks_of(self._stage, model, cameras, rng))
        baseline = fit(TRAINED, looks, self._seed, utc(time.time()))
        self._client.post("/v1/baselines", baseline.to_bytes())
        self._client.post(f"/v1/retrainings/{number}/version", {"version": TRAINED})
        self._stage.versions[TRAINED] = model
        self._telling.line(f"{TRAINED} is {SERVES}, trained on with these labels", "cyan")
        return number

    def _propose(self, incident: int) -> int:
        """The number of the retraining; one that was proposed though its answer was lost counts."""
        order = {
            "model": MODEL,
            "deployment": DEPLOYMENT,
            "reason": "a new site, where other hands write",
            "incident": incident,
        }
        try:
            return int(self._client.post("/v1/retrainings", order)["number"])
        except DemoError:
            known = self._client.get("/v1/retrainings") or []
            mine = [one["number"] for one in known if one["incident"] == incident]
            if not mine:
                raise
            return int(mine[0])

    def verdict(self, number: int) -> str | None:
        """What vigil says of the retraining; None where it says nothing in time."""
        found: dict[str, Any] | None = self._wait(lambda: self._judged(number))
        if found is None:
            return None
        self._telling.line(str(found["judgement"].get("text", found["state"])), "bold green")
        return str(found["state"])

    def _returned(self, incident: int) -> bool | None:
        batches = (self._client.get("/v1/labels/queues") or {"batches": []})["batches"]
        mine = [one for one in batches if one["incident_id"] == incident]
        return (bool(mine) and all(one["waiting"] == 0 for one in mine)) or None

    def _judged(self, number: int) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._client.get(f"/v1/retrainings/{number}")
        return found if found is not None and found["judged_at"] is not None else None

    @staticmethod
    def _wait(look: Callable[[], Found | None]) -> Found | None:
        """What ``look`` finds, as soon as it finds something; None after a minute."""
        limit = time.monotonic() + LIMIT_S
        while time.monotonic() < limit:
            found = look()
            if found is not None:
                return found
            time.sleep(0.2)
        return None
