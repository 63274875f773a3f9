"""The main job end to end: real training, real inference, a real service that is killed on the way.

One run serves all tests here: ``vigil demo --chaos`` with a shorter history. The service is killed
(-9) a moment after each fault begins and started again; the story must be right all the same, with
nothing done or said twice and no tick left out.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alerts.actions.targets.registry import LocalRegistry
from monitor.demo.configuration import DEPLOYMENT, MODEL

pytestmark = [pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
LIMIT_S = 500
PROGRAM = """
import sys
from pathlib import Path
from monitor.demo.run import run_demo

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    sys.exit(run_demo(seed=4, exit_when_done=True, json_path=folder / "result.json",
                      folder=folder / "demo", chaos=True, history_windows=800))
"""


@dataclass(frozen=True)
class Played:
    code: int
    text: str
    result: dict[str, Any]
    folder: Path

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "vigil.db") as connection:
            return connection.execute(query).fetchall()

    def sent(self) -> list[dict[str, Any]]:
        lines = (self.folder / "sent.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Played:
    folder = tmp_path_factory.mktemp("story")
    program = folder / "play.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program), str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT_S,
        check=False,
    )
    text = done.stdout.decode(errors="replace")
    out = folder / "result.json"
    assert out.exists(), text[-4000:]
    return Played(done.returncode, text, json.loads(out.read_text()), folder / "demo")


@pytest.mark.slow
def test_the_story_is_right_though_the_service_was_killed_three_times(played):
    """Cause, slice, action and refusal of every fault, and not one false page."""
    assert played.code == 0, played.text[-4000:]
    assert played.text.count("kill -9") == 3
    assert played.result["false_pages"] == 0
    found = {one["name"]: one for one in played.result["scenarios"]}
    assert [(name, one["cause"], one["action"]) for name, one in found.items()] == [
        ("bad_release", "model_regression", "rollback"),
        ("camera_defocus", "input_fault", "page"),
        ("new_site", "domain_shift", "relabel"),
    ]
    assert found["bad_release"]["recovered"] is True
    assert found["bad_release"]["named_slice"] is None
    assert found["camera_defocus"]["named_slice"].startswith("camera=")
    assert "no better" in found["camera_defocus"]["refused"]
    assert found["new_site"]["named_slice"] == "site=harbour"
    assert found["new_site"]["relabel_items"] > 0
    assert found["new_site"]["recovered"] is True
    assert found["new_site"]["retraining"] == "helped"


def test_what_serves_was_changed_once_for_each_step(played):
    """Three releases by the story, the last trained on the labels that came back, and one rollback
    by vigil; the killed service did not do it again."""
    history = LocalRegistry(played.folder / "registry.json").history(MODEL, DEPLOYMENT)
    assert [step.version for step in history] == ["v1", "v2", "v1", "v3", "v4"]
    assert [step.actor for step in history] == [*["vigil demo"] * 2, "vigil", *["vigil demo"] * 2]


def test_each_page_was_sent_once(played):
    """PagerDuty got one trigger and at most one resolve of each incident, Slack one message."""
    taken = [one for one in played.sent() if one["status"] in (200, 202)]
    pages = Counter(
        (one["body"]["dedup_key"], one["body"]["event_action"])
        for one in taken
        if one["path"].endswith("/v2/enqueue")
    )
    assert set(pages.values()) == {1}
    assert sum(action == "trigger" for _, action in pages) == 2
    first = [
        one["body"]["text"]
        for one in taken
        if one["path"].endswith("chat.postMessage") and "thread_ts" not in one["body"]
    ]
    assert len(first) == 3
    assert all(one["status"] < 400 for one in played.sent())


def test_no_tick_was_left_out_and_none_done_twice(played):
    """Ticks follow each other without a gap, and every live window that had come when one of the
    last five began was counted."""
    ticks = [row[0] for row in played.rows("select id from ticks order by id")]
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    settled = "(select started_at from ticks order by id desc limit 1 offset 5)"
    uncounted = played.rows(
        "select count(*) from windows where origin = 'live' and judged_by is null "
        f"and received_at < {settled} and end_at < {settled}"
    )
    assert uncounted == [(0,)]
    assert played.rows(
        "select count(*) from (select 1 from windows group by source, boot, sequence "
        "having count(*) > 1)"
    ) == [(0,)]


def test_the_tap_lost_nothing_while_the_service_was_away(played):
    """The windows of the live source are numbered without a gap, and none dropped a record."""
    rows = played.rows(
        "select boot, sequence, dropped from windows where origin = 'live' order by sequence"
    )
    assert len({boot for boot, _, _ in rows}) == 1
    assert [sequence for _, sequence, _ in rows] == list(range(len(rows)))
    assert sum(dropped for _, _, dropped in rows) == 0


def test_the_queue_holds_images_with_reasons(played):
    """JSONL and PNG files, best first, each with the reason for which it was picked."""
    (lines,) = list((played.folder / "relabel").glob("*/items.jsonl"))
    items = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [item["rank"] for item in items] == list(range(1, len(items) + 1))
    assert all(item["reason"] and item["metadata"]["site"] == "harbour" for item in items)
    for item in items:
        assert (lines.parent / item["image"]).read_bytes().startswith(b"\x89PNG")
