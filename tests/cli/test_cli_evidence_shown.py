"""``vigil incidents show`` and ``vigil models --streams``: evidence, onset, what could be found."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from incident_rows import incident_row

from monitor.store.database import Sessions, open_engine
from monitor.store.tables import CoverageRow

NOW = datetime(2026, 11, 21, 14, 3, tzinfo=UTC)


def finding(signal: str, evidence: float, piece: str = "camera=c4") -> dict[str, Any]:
    effect = {
        "value": 0.5, "low": 0.4, "high": 0.6, "tolerance": 0.15, "unit": "KS", "records": 90,
    }  # fmt: skip
    return {
        "signal": signal,
        "kind": "image",
        "slice": piece,
        "effect": effect,
        "evidence": evidence,
        "threshold": 1000.0,
    }


@pytest.fixture
def story(run: Any, config: Path) -> None:
    run("db", "upgrade")
    engine = open_engine(f"sqlite:///{config.parent / 'vigil.db'}")
    with Sessions(engine).begin() as session:
        session.add(
            incident_row(
                NOW + timedelta(minutes=3),
                slice="camera=c4",
                title="blurred",
                onset_at=NOW,
                onset_first_at=NOW - timedelta(minutes=2),
                onset_last_at=NOW + timedelta(minutes=2),
                findings=[
                    finding("embedding", 1e3),
                    finding("brightness", 1e9),
                    finding("brightness", 1e6, "site=s1"),
                ],
            )
        )
        session.add(
            CoverageRow(
                model="reader",
                deployment="production",
                at=NOW,
                needed=200,
                values={"all traffic": {"brightness": [900, 0.031], "embedding": [34, None]}},
            )
        )
    engine.dispose()


def test_an_incident_shows_its_onset_and_the_shares_of_evidence(run: Any, story: None) -> None:
    """Largest first, in words and as JSON; without a sample no records."""
    told = run("incidents", "show", "1").stdout
    assert "began 14:03:00 UTC, between 14:01:00 and 14:05:00" in told
    assert "evidence by signals: brightness 75 %, embedding 25 %" in told
    assert "evidence by slices: camera=c4 60 %, site=s1 40 %" in told
    plain = json.loads(run("incidents", "show", "1", "--json").stdout)
    assert plain["shares"]["signals"] == pytest.approx({"brightness": 0.75, "embedding": 0.25})
    assert plain["exemplars"] == {}
    assert plain["onset_first_at"].startswith("2026-11-21T14:01")


def test_streams_say_what_they_could_find(run: Any, story: None) -> None:
    """The smallest shift, or that they abstain."""
    found = json.loads(run("models", "--streams", "--json").stdout)
    assert [(one["signal"], one["history"], one["smallest_shift"]) for one in found] == [
        ("brightness", 900, "0.031 of the mean rank"),
        ("embedding", 34, "abstains: 34 of 200 windows of history"),
    ]
    assert "abstains" in run("models", "--streams").stdout
