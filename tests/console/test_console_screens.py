"""The pages as Chromium draws them, light and dark.

Set VIGIL_SCREENSHOTS to a folder to keep the pictures.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from console_browser import app_on
from console_versions import seed_versions
from console_world import BAD_SLICE, DEPLOYMENT, MODEL, NOW, Fleet
from PIL import Image

from alerts.silences.draft import draft
from alerts.silences.matchers import Matcher
from alerts.silences.silence import SilenceKind
from monitor.response import followups, silences

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
PATHS = {
    "fleet": ("/", 1000),
    "model": (f"/models/{MODEL}/{DEPLOYMENT}?slice={BAD_SLICE.replace('&', '%26')}", 2800),
    "incident": ("/incidents/{input_fault}", 2700),
    "relabel": ("/incidents/{domain_shift}", 1700),
    "incidents": ("/incidents?state=all", 700),
    "runbook": ("/runbooks/model_regression", 1300),
    "silences": ("/silences", 420),
    "deliveries": ("/deliveries", 700),
    "routes": (
        f"/routes?model={MODEL}/{DEPLOYMENT}&severity=error&cause=input_fault&slice=camera%3Dc3",
        1100,
    ),
    "labels": ("/labels", 1000),
    "followups": ("/followups", 360),
    "versions": (f"/versions/{MODEL}/{DEPLOYMENT}", 900),
    "post-mortem": ("/incidents/{input_fault}/export", 2000),
    "login": ("/login", 700),
}


@pytest.fixture(scope="module")
def at_work(fleet: Fleet) -> Fleet:
    """The fleet with people at work: a silence, and what is to be done."""
    key = fleet.incidents["input_fault"]
    with fleet.sessions.begin() as session:
        for matcher, kind in (("site=south", SilenceKind.SILENCE), ("model=a", SilenceKind.FREEZE)):
            made = draft(
                kind=kind,
                matchers=(Matcher.parse(matcher),),
                starts_at=NOW,
                ends_at=NOW + timedelta(hours=2),
                comment="the lens is being cleaned",
                actor="jo",
                now=NOW,
            )
            silences.create(session, made)
        for text, owner, days in (("Check the other lenses", "kim", -2), ("A heater", "jo", 9)):
            due = NOW + timedelta(days=days)
            followups.add(session, key, text, owner=owner, due_at=due, actor="jo", at=NOW)
    seed_versions(fleet)
    return fleet


@pytest.fixture(scope="module")
def served(at_work: Fleet) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(app_on(at_work), host="127.0.0.1", port=port, log_level="warning", ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    assert server.started
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def shoot(url: str, target: Path, *, width: int, height: int, dark: bool, profile: Path) -> None:
    assert CHROMIUM is not None
    switches = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        f"--window-size={width},{height}",
        f"--screenshot={target}",
    ]
    if dark:
        switches.append("--blink-settings=preferredColorScheme=0")
    done = subprocess.run(
        [CHROMIUM, *switches, url], capture_output=True, timeout=60, check=False, text=True
    )
    assert target.exists(), done.stderr[-2000:]


def spread_of(picture: Path) -> tuple[float, float]:
    """Mean brightness, and the share of rows that are not of one colour."""
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("L"), np.float64)
    return float(pixels.mean()), float((pixels.std(axis=1) > 2).mean())


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", list(PATHS))
def test_the_page_is_drawn(
    served: str, fleet: Fleet, tmp_path: Path, name: str, dark: bool
) -> None:
    """Every page fills its screen with something, on a light and on a dark ground."""
    path, height = PATHS[name]
    folder = Path(os.environ.get("VIGIL_SCREENSHOTS") or tmp_path)
    target = folder / f"{name}-{'dark' if dark else 'light'}.png"
    shoot(
        served + path.format(**fleet.incidents),
        target,
        width=1440,
        height=height,
        dark=dark,
        profile=tmp_path / "profile",
    )
    brightness, filled = spread_of(target)
    assert filled > (0.1 if name == "login" else 0.25), "the page is blank"
    assert (brightness < 90) == dark, f"brightness {brightness:.0f}"


def test_a_narrow_screen_does_not_scroll_sideways(
    served: str, fleet: Fleet, tmp_path: Path
) -> None:
    """On a phone's width the incident is still a page of its own width, not a cut-off table."""
    target = tmp_path / "narrow.png"
    shoot(
        served + f"/incidents/{fleet.incidents['input_fault']}",
        target,
        width=600,
        height=1600,
        dark=False,
        profile=tmp_path / "profile",
    )
    with Image.open(target) as image:
        assert image.size == (600, 1600)
        edge = np.asarray(image.convert("L"), np.float64)[200:, -8:]
    assert edge.std() < 12, "something runs over the right edge"
