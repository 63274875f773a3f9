"""Scores, evidence and effects together on the fleet of the demo: 12 cameras, 12 records each."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.effects import effects
from detectors.evidence.engine import FleetEvidence
from detectors.frame import Part
from detectors.scores import score
from vigil.types import WHOLE
from vigil.windows.summary import Summary


def alarms(fleet, baseline, engine, ticks, *, first=1, **faults):
    """Per tick, the streams with evidence and a large effect since the start."""
    rng = np.random.default_rng(first)
    total, found = [], []
    for tick in range(first, first + ticks):
        summary = fleet.summary(baseline, **faults)
        total.append(summary)
        batch = score([Part(baseline=baseline, summary=summary)], "digits", "production")
        result = engine.step(batch, tick=tick, rng=rng)
        hits = [s for s, hit in zip(result.streams, result.exceeded, strict=True) if hit]
        recent = Part(baseline=baseline, summary=Summary.total(total[-64:]))
        measured = effects([recent], hits) if hits else {}
        found.append({stream for stream, effect in measured.items() if effect.is_large})
    return found


def test_healthy_traffic_does_not_page(fleet, baseline, learned):
    """400 ticks at a budget of 20 000."""
    engine = FleetEvidence.from_bytes(learned)
    assert not any(alarms(fleet, baseline, engine, 400))


def test_a_bad_release_is_found_everywhere_within_eight_windows(fleet, baseline, learned):
    """Confidence falls on every camera: the whole model pages."""
    found = alarms(fleet, baseline, FleetEvidence.from_bytes(learned), 8, temper=0.3)
    assert found[0] == set()
    assert {(s.slice, s.signal) for s in found[-1]} >= {(WHOLE, "confidence")}
    assert not any(s.signal in {"sharpness", "brightness", "noise"} for s in found[-1])


def test_a_defocused_camera_is_found_within_twelve_windows(fleet, baseline, learned):
    """Only its sharpness, on its own slice and its site's. Of 24 draws the slowest took nine."""
    found = alarms(fleet, baseline, FleetEvidence.from_bytes(learned), 12, blurred=("s1", "c04"))
    assert "camera=c04" in {str(s.slice) for s in found[-1]}
    assert {s.signal for s in found[-1]} == {"sharpness"}
    assert {str(s.slice) for s in found[-1]} <= {"camera=c04", "site=s1", "all traffic"}


def test_a_new_site_is_found_within_five_windows(fleet, baseline, learned):
    """Unfamiliar embeddings on three new cameras; the known traffic stays quiet."""
    found = alarms(
        fleet,
        baseline,
        FleetEvidence.from_bytes(learned),
        5,
        cameras=fleet.with_new_site,
        unfamiliar=2.0,
    )
    assert {str(s.slice) for s in found[-1]} >= {"site=s9"}
    assert {str(s.slice) for s in found[-1]} <= {"site=s9", "camera=n0", "camera=n1", "camera=n2"}


def test_a_new_site_like_the_others_does_not_page(fleet, baseline, learned):
    """New cameras that see familiar things are quiet, on 60 ticks."""
    engine = FleetEvidence.from_bytes(learned)
    assert not any(alarms(fleet, baseline, engine, 60, cameras=fleet.with_new_site))


def test_without_history_healthy_traffic_does_not_page(fleet, baseline):
    """Cold start on the baseline's pseudo-windows alone: 200 ticks, then on its own history."""
    engine = FleetEvidence(20_000, 100)
    assert not any(alarms(fleet, baseline, engine, 200))
    always = [one for one in engine.streams if one.signal != "lost_class"]
    assert all(engine.history(one) >= 100 for one in always), "thin windows have no lost class"


@pytest.mark.parametrize("records", [1, 150])
def test_uneven_traffic_does_not_page(fleet, baseline, learned, records):
    """Windows of one record, or ten times the usual: studentised scores compare."""
    engine = FleetEvidence.from_bytes(learned)
    assert not any(alarms(fleet, baseline, engine, 40, per_camera=records))
