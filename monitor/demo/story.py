"""Three faults, one after the other. The story makes the fault and then only watches.

Detection, cause, page, rollback, refusal, queue and recovery come from the service; what is
printed is its own timeline, read over its API. Labels and the training on them are the demo's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from alerts.actions.targets.registry import LocalRegistry
from monitor.demo.configuration import DEPLOYMENT, MODEL, WINDOW_S
from monitor.demo.fleet import Fleet
from monitor.demo.loop import Loop
from monitor.demo.outcome import DemoResult, ScenarioResult
from monitor.demo.service import DemoError, ServiceClient
from monitor.demo.stage import CAMERAS_PER_SITE, Stage
from monitor.demo.telling import Telling
from monitor.demo.world import defocus, new_site

DETECT_LIMIT_S = 75.0
RECOVER_LIMIT_S = 75.0
QUIET_S = 3.0
NEW_SITE = "harbour"
_QUIET_KINDS = ("decision", "delivered")


class Story:
    """Plays the three scenarios.

    Args:
        on_fault: called a moment after each fault began (``--chaos`` kills the service there).
    """

    def __init__(
        self,
        *,
        stage: Stage,
        fleet: Fleet,
        client: ServiceClient,
        registry: Path,
        telling: Telling,
        seed: int,
        on_fault: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._stage, self._fleet, self._client = stage, fleet, client
        self._seed = seed
        self._registry = LocalRegistry(registry)
        self._telling = telling
        self._on_fault = on_fault
        self._rng = np.random.default_rng([seed, 11])
        self._known: set[int] = set()
        self._mine: set[int] = set()
        self._shown: set[tuple[int, str, str, str]] = set()
        self.slices: dict[str, str | None] = {"bad_release": None}

    def play(self) -> DemoResult:
        self._telling.title("Healthy traffic: nothing should happen")
        self._wait(QUIET_S + 1)
        results = [self._bad_release(), self._camera_defocus(), self._new_site()]
        self._wait(QUIET_S)
        incidents = self._incidents()
        false = [one for one in incidents if one["id"] not in self._mine]
        for one in false:
            self._telling.line(f"not a fault of the story: {one['title']}", "bold red")
        return DemoResult(
            false_pages=sum(one["paged_at"] is not None for one in false),
            scenarios=tuple(results),
        )

    def _bad_release(self) -> ScenarioResult:
        self._telling.title("1 · A bad release: v2 reads the image rows bottom-up")
        began = self._release("v2")
        incident = self._watch("bad_release", began)
        story = self._until(
            incident,
            began,
            lambda now: now["state"] == "resolved" or _rollback_over(now),
            RECOVER_LIMIT_S,
        )
        if story is not None and story["state"] != "resolved":
            self._registry.promote(MODEL, DEPLOYMENT, "v1", actor="vigil demo")
        self._quiet()
        return _result("bad_release", story, began)

    def _camera_defocus(self) -> ScenarioResult:
        self._telling.title("A good release: v3 has the loader mended; nothing should happen")
        self._release("v3")
        self._wait(9)
        camera = self._stage.cameras[int(self._rng.integers(len(self._stage.cameras)))].name
        self.slices["camera_defocus"] = f"camera={camera}"
        self._telling.title(f"2 · Camera {camera} loses focus, under every version")
        began = time.time()
        self._fleet.change(defocus(self._stage.cameras, camera))
        incident = self._watch("camera_defocus", began)
        self._until(incident, began, lambda now: _finished(now, "rollback"), DETECT_LIMIT_S)
        self._telling.line(f"a technician refocuses camera {camera}", "cyan")
        self._fleet.change(self._stage.cameras)
        story = self._until(
            incident, began, lambda now: now["state"] == "resolved", RECOVER_LIMIT_S
        )
        self._quiet()
        return _result("camera_defocus", story, began)

    def _new_site(self) -> ScenarioResult:
        self.slices["new_site"] = f"site={NEW_SITE}"
        self._telling.title(f"3 · A new site, {NEW_SITE}: other hands write other digits")
        began = time.time()
        cameras = new_site(self._stage.cameras, NEW_SITE, CAMERAS_PER_SITE, self._rng)
        self._fleet.change(cameras)
        incident = self._watch("new_site", began)
        story = self._until(
            incident,
            began,
            lambda now: _finished(now, "relabel") and _finished(now, "rollback"),
            DETECT_LIMIT_S,
        )
        if incident is None or story is None or not _finished(story, "relabel"):
            return _result("new_site", story, began)
        self._telling.title(f"The loop closes: people label what {NEW_SITE} shows")
        loop = Loop(self._stage, self._fleet, self._client, self._telling, seed=self._seed)
        number = loop.train(incident, cameras, self._registry.path.with_name("relabel"))
        self._release("v4")
        story = self._until(
            incident, began, lambda now: now["state"] == "resolved", RECOVER_LIMIT_S
        )
        return replace(_result("new_site", story, began), retraining=loop.verdict(number))

    def _release(self, version: str) -> float:
        self._registry.promote(MODEL, DEPLOYMENT, version, actor="vigil demo")
        began = time.time()
        self._client.post(
            "/v1/releases", {"model": MODEL, "deployment": DEPLOYMENT, "version": version}
        )
        self._telling.line(f"{version} is released to all traffic", "cyan")
        return began

    def _watch(self, name: str, began: float) -> int | None:
        """Wait for an incident that the fault made; None where none came."""
        self._on_fault(name)
        limit = time.monotonic() + DETECT_LIMIT_S
        while time.monotonic() < limit:
            self._check()
            for one in self._incidents():
                if one["id"] not in self._known and _seconds(one["detected_at"]) >= began:
                    self._known.add(one["id"])
                    self._mine.add(one["id"])
                    return int(one["id"])
            time.sleep(0.1)
        self._telling.line("nothing was detected", "bold red")
        return None

    def _until(
        self,
        incident: int | None,
        began: float,
        done: Callable[[dict[str, Any]], bool],
        limit_s: float,
    ) -> dict[str, Any] | None:
        """Print the incident's timeline as it grows, until ``done``; returns its last state."""
        if incident is None:
            return None
        limit, latest = time.monotonic() + limit_s, None
        while time.monotonic() < limit:
            self._check()
            latest = self._client.get(f"/v1/incidents/{incident}") or latest
            if latest is not None:
                self._print_new(incident, latest["timeline"], began)
                if done(latest):
                    break
            time.sleep(0.1)
        return latest

    def _print_new(self, incident: int, timeline: Sequence[dict[str, Any]], began: float) -> None:
        for entry in timeline:
            line = (incident, entry["at"], entry["kind"], entry["text"])
            if line not in self._shown and entry["kind"] not in _QUIET_KINDS:
                self._telling.event(_seconds(entry["at"]) - began, entry["kind"], entry["text"])
            self._shown.add(line)

    def _quiet(self) -> None:
        self._wait(QUIET_S)

    def _wait(self, seconds: float) -> None:
        """Healthy traffic flows; whatever turns up meanwhile belongs to no scenario."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self._check()
            self._known.update(one["id"] for one in self._incidents())
            time.sleep(WINDOW_S / 2)

    def _incidents(self) -> list[dict[str, Any]]:
        found = self._client.get("/v1/incidents")
        return sorted(found, key=lambda one: int(one["id"])) if found else []

    def _check(self) -> None:
        if self._fleet.failure is not None:
            raise DemoError(f"the cameras stopped: {self._fleet.failure!r}")


def _result(name: str, story: dict[str, Any] | None, began: float) -> ScenarioResult:
    if story is None:
        return ScenarioResult(
            name=name,
            detected=False,
            cause="",
            named_slice=None,
            seconds_to_detect=None,
            seconds_to_page=None,
            seconds_to_mitigate=None,
            recovered=None,
            action="page",
            refused=None,
            relabel_items=0,
        )
    actions = {action["kind"]: action for action in story["actions"]}
    rollback, relabel = actions.get("rollback"), actions.get("relabel")
    action = "page"
    if rollback is not None and rollback["executed_at"] is not None:
        action = "rollback"
    elif relabel is not None and relabel["state"] == "done":
        action = "relabel"
    refused = None
    if rollback is not None and rollback["state"] == "refused":
        refused = str(rollback["decision"]["text"])
    whole = story["slice"] in ("", "all traffic")

    def after(moment: str | None) -> float | None:
        return None if moment is None else round(_seconds(moment) - began, 2)

    return ScenarioResult(
        name=name,
        detected=True,
        cause=story["cause"],
        named_slice=None if whole else story["slice"],
        seconds_to_detect=after(story["detected_at"]),
        seconds_to_page=after(story["paged_at"]),
        seconds_to_mitigate=after(story["mitigated_at"]),
        recovered=story["recovered_at"] is not None,
        action=action,
        refused=refused,
        relabel_items=int(relabel["result"].get("items", 0)) if relabel else 0,
    )


def _finished(story: dict[str, Any], kind: str) -> bool:
    return any(
        action["kind"] == kind and action["finished_at"] is not None for action in story["actions"]
    )


def _rollback_over(story: dict[str, Any]) -> bool:
    """The rollback ended otherwise than by a proof of recovery."""
    return any(
        action["kind"] == "rollback" and action["state"] in ("refused", "failed", "unproven")
        for action in story["actions"]
    )


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
