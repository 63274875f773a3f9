"""Scores of a simulated fleet for the self-audit's tests: 12 streams, twenty-minute windows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from detectors.scores import ScoreBatch
from detectors.streams import StreamKey
from monitor.audit.replay import AuditTick
from vigil.types import Slice

WINDOW_S = 1200.0
PER_DAY = 72
START = datetime(2026, 3, 2, tzinfo=UTC)
THRESHOLD = 30.0 * PER_DAY
CAMERAS, SIGNALS = 3, ("brightness", "sharpness", "confidence", "latency_s")


def streams() -> tuple[StreamKey, ...]:
    return tuple(
        StreamKey("reader", "production", Slice((("camera", f"c{i}"),)), signal)
        for i in range(CAMERAS)
        for signal in SIGNALS
    )


def fleet(
    *,
    days: int = 11,
    teach: int = 5,
    seed: int = 0,
    carry: float = 0.0,
    rush: tuple[int, int, float] | None = None,
    fault: tuple[int, int, int, float] | None = None,
) -> Iterator[AuditTick]:
    """Ticks of standard normal scores.

    Args:
        carry: AR(1) coefficient between windows.
        rush: stream, hour and size of a shift in that hour of every judged day.
        fault: stream, first tick after the start, number of ticks, and size of a shift.
    """
    rng = np.random.default_rng(seed)
    keys = streams()
    noise = rng.normal(size=len(keys))
    for i in range(1, days * PER_DAY + 1):
        noise = carry * noise + np.sqrt(1 - carry**2) * rng.normal(size=len(keys))
        at = START + timedelta(seconds=i * WINDOW_S)
        score = noise.copy()
        hour = (i - 1) % PER_DAY // 3
        if rush is not None and i > teach * PER_DAY and hour == rush[1]:
            score[rush[0]] += rush[2]
        if fault is not None and fault[1] <= i < fault[1] + fault[2]:
            score[fault[0]] += fault[3]
        n = len(keys)
        yield AuditTick(
            tick=round(at.timestamp() / WINDOW_S),
            at=at,
            teaches=i <= teach * PER_DAY,
            batch=ScoreBatch(
                streams=keys,
                score=score * 0.01,
                noise=np.full(n, 0.01),
                records=np.full(n, 200),
                novel=np.zeros(n, bool),
                open_score=score * 0.01,
                open_noise=np.full(n, 0.01),
                healthy={},
            ),
        )
