"""What the proxy says of itself to anyone who asks, and what only its log says."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np

from monitor.proxy.health import Troubles, told
from monitor.proxy.seldom import Seldom
from vigil import Tap
from vigil.errors import TransportError
from vigil.shipping.transport import MemoryTransport

SECRET = "http://me:secret@vigil:8080/v1/windows"


def test_health_names_what_is_wrong_without_its_text(tmp_path: Path):
    """The statistics of real taps: one whose service is away, one without a folder."""
    away = MemoryTransport()
    away.failures = [TransportError(f"POST {SECRET}", reason="unreachable")] * 100
    first = Tap("reader", "v1", transport=away, spool=tmp_path / "spool")
    (tmp_path / "rings").write_text("in the way")
    second = Tap("other", "v1", sidecar=tmp_path / "rings")
    for tap in (first, second):
        tap.record(outputs=np.full((2, 4), 0.25))
    first.flush(0.5)
    said = {
        "counts": {"malformed": 1},
        "problem": f"malformed: {SECRET}",
        "taps": {"reader": first.stats(), "other": second.stats()},
    }
    assert "secret" in json.dumps(said["taps"])
    shown = told(json.loads(json.dumps(said, default=str)))
    first.close(0)
    second.close()
    assert shown["problem"] == "malformed"
    assert shown["counts"] == {"malformed": 1}
    assert shown["taps"]["reader"]["problem"] == "unreachable"
    assert shown["taps"]["other"]["problem"] == "no_ring"
    assert shown["taps"]["other"]["dropped"] == {"no_ring": 2}
    assert "secret" not in json.dumps(shown)
    assert str(tmp_path) not in json.dumps(shown)


def test_the_log_says_what_is_wrong_when_it_changes_and_seldom(caplog):
    now_s = [0.0]
    troubles = Troubles(Seldom(10.0, now_s=lambda: now_s[0]))
    caplog.set_level(logging.WARNING, "vigil.proxy")
    for at_s, text in ((0, ""), (1, "a"), (2, "a"), (3, "b"), (12, "b"), (30, "b"), (50, "")):
        now_s[0] = float(at_s)
        troubles.say({"calls": text})
    assert [record.getMessage() for record in caplog.records] == [
        "calls: a",
        "calls: b",
        "calls: well again",
    ]
