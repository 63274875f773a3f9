"""A tick pages for what still is so, and not for what is over by then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import small_fleet as fleet

from detectors.evidence.engine import FleetEvidence, StepResult
from monitor.store.tables import VerdictRow

HEALTHY = replace(fleet.HEALTHY, per_camera=120)
BLURRED = replace(HEALTHY, blurred="n2")
LASTING = 3


@pytest.mark.parametrize("over", [False, True])
def test_a_fault_that_is_over_when_its_evidence_passes_opens_nothing(
    lone_story: fleet.Story, monkeypatch: pytest.MonkeyPatch, over: bool
) -> None:
    """Three windows of blur, and evidence that passes with the fourth: blurred still, or not."""
    lone_story.play(3, HEALTHY)
    first = lone_story.tick + 1
    step = FleetEvidence.step

    def passes_late(engine: FleetEvidence, batch: Any, *, tick: int, **more: Any) -> StepResult:
        result = step(engine, batch, tick=tick, **more)
        mine = np.array(
            [s.signal == "sharpness" and str(s.slice) == "camera=n2" for s in result.streams]
        )
        assert mine.any()
        return replace(
            result,
            exceeded=mine & (tick == first + LASTING),
            onset_tick=np.where(mine, first, result.onset_tick),
        )

    monkeypatch.setattr(FleetEvidence, "step", passes_late)
    lone_story.play(LASTING, BLURRED)
    assert not lone_story.incidents
    lone_story.play(1, HEALTHY if over else BLURRED)
    assert len(lone_story.incidents) == (0 if over else 1)
    said = [row.reason for row in lone_story.rows(VerdictRow)]
    assert any("not surely in the newest windows" in reason for reason in said) is over
