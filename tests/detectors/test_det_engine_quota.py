"""One model whose slices multiply leaves room in the table for the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detectors.evidence.engine import FleetEvidence


def test_a_model_beyond_its_share_is_left_out_and_the_others_are_judged(plain):
    rng = np.random.default_rng(3)
    mine = plain.streams(20)
    others = tuple(replace(stream, model="other") for stream in mine[:6])
    engine = FleetEvidence(500.0, 50, max_streams=30, max_per_model=8)
    engine.step(plain.scores(mine, np.zeros(20)), tick=1, rng=rng)
    result = engine.step(plain.scores(mine + others, np.zeros(26)), tick=2, rng=rng)
    assert np.isfinite(result.p[:20]).sum() == 8
    assert np.isfinite(result.p[20:]).all()
    again = FleetEvidence.from_bytes(engine.to_bytes())
    assert again.roster.max_per_model == 8
