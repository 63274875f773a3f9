"""An hour of the made-up fleet: releases, windows, labels and ticks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from console_world import (
    BAD_CELL,
    BAD_SLICE,
    CELLS,
    DEPLOYMENT,
    DETECTED,
    MODEL,
    NOW,
    ONSET,
    SITES,
    WINDOW_S,
    Fleet,
    batch,
)
from sqlalchemy.orm import Session

from monitor.store.tables import (
    CoverageRow,
    LabelRow,
    ReleaseRow,
    SignalPointRow,
    SourceRow,
    TickRow,
    VerdictRow,
    WindowRow,
)
from monitor.store.windows import pack_summary
from vigil.catalogue import SCALAR_NAMES
from vigil.measuring.summarise import sample_of, summarise
from vigil.quality.counts import Quality
from vigil.types import ModelRef
from vigil.windows.baseline import Baseline
from vigil.windows.sample import Sample
from vigil.windows.window import Window


def _faults(cells: Sequence[tuple[str, ...]]) -> Quality:
    """Of one cell some frames are black; all lack a key."""
    return Quality(
        counts={"black_frame": {cells[0]: 3}, "key_missing": dict.fromkeys(cells, 5)},
        examples={"key_missing": "expected the key lane, found none"},
    )


def releases(session: Session) -> None:
    for version, previous, before, origin, actor in (
        ("v1", None, timedelta(days=8), "announced", "ci"),
        ("v2", "v1", timedelta(minutes=47), "announced", "ci"),
        ("v1", "v2", timedelta(minutes=44), "rollback", "vigil"),
    ):
        session.add(
            ReleaseRow(
                model=MODEL,
                deployment=DEPLOYMENT,
                version=version,
                previous=previous,
                started_at=NOW - before,
                origin=origin,
                actor=actor,
                known_good=version == "v1",
            )
        )


def traffic(session: Session, fleet: Fleet, baseline: Baseline) -> None:
    rng = np.random.default_rng(2)
    for minute in range(20, 0, -1):
        end = NOW - timedelta(minutes=minute - 1)
        at = end - timedelta(seconds=WINDOW_S)
        blurred = end > ONSET
        batches = [batch(rng, 40, cell, at, blurred=blurred and cell == BAD_CELL) for cell in CELLS]
        summaries = [summarise(b, baseline.ruler)[0] for b in batches]
        total = summaries[0]
        for summary in summaries[1:]:
            total = total + summary
        window = Window(
            source="edge-1",
            boot="b0",
            sequence=100 - minute,
            model=ModelRef(name=MODEL, version="v1"),
            start=at,
            end=end,
            ruler=baseline.ruler.id,
            summary=total,
            sample=Sample.merge(
                [sample_of(b, k=10, weighted=False, keep_thumbnails=False) for b in batches], 40
            ),
            informative=Sample.empty(SCALAR_NAMES),
        )
        part = f"part-{minute}.parquet"
        fleet.samples.write(part, [window])
        session.add(
            WindowRow(
                source=window.source,
                boot=window.boot,
                sequence=window.sequence,
                model=MODEL,
                version="v1",
                deployment=DEPLOYMENT,
                start_at=at,
                end_at=end,
                received_at=end,
                origin="live",
                ruler=window.ruler,
                verified=True,
                records=total.total_records,
                sample_part=part,
                blob=pack_summary(total, {"truncated": 2}, _faults(total.cells)),
            )
        )
    for source, silent in (("edge-1", False), ("edge-2", False), ("edge-3", True)):
        session.add(
            SourceRow(
                source=source,
                model=MODEL,
                deployment=DEPLOYMENT,
                version="v1",
                boot="b0",
                first_seen_at=NOW - timedelta(days=8),
                last_window_at=NOW - timedelta(seconds=2400 if silent else 31),
                last_record_at=NOW - timedelta(seconds=2400 if silent else 33),
            )
        )
    session.add(
        SourceRow(
            source="gate-7",
            model="plate-finder",
            deployment="canary",
            version="2026.11",
            boot="b1",
            first_seen_at=NOW - timedelta(days=1),
            last_window_at=NOW - timedelta(seconds=40),
            last_record_at=NOW - timedelta(seconds=41),
        )
    )


def labels(session: Session) -> None:
    rng = np.random.default_rng(3)
    confidence = np.clip(rng.beta(7, 1.3, 900), 0.12, 0.999)
    correct = rng.random(900) < np.clip(confidence - 0.07, 0, 1)
    for i in range(900):
        cell = CELLS[i % len(CELLS)]
        session.add(
            LabelRow(
                record_id=f"edge-1.b0.L{i}",
                model=MODEL,
                version="v1",
                deployment=DEPLOYMENT,
                cell={"site": cell[0], "camera": cell[1]},
                prediction=1,
                confidence=float(confidence[i]),
                label=1 if correct[i] else 2,
                predicted_at=NOW - timedelta(hours=2),
                arrived_at=NOW - timedelta(seconds=3 * i),
            )
        )


def coverage(session: Session) -> None:
    """One camera has too short a history; the whole has enough."""
    smallest = {
        "sharpness": 0.043,
        "confidence": 0.051,
        "embedding": 0.0094,
        "predicted_class": 0.2,
    }
    session.add(
        CoverageRow(
            model=MODEL,
            deployment=DEPLOYMENT,
            at=NOW,
            needed=200,
            values={
                "all traffic": {
                    **{signal: [20_160, shift] for signal, shift in smallest.items()},
                    "latency_s": [20_160, None],
                },
                BAD_SLICE: {signal: [34, None] for signal in smallest},
            },
        )
    )


MEANS = {
    "brightness": 0.48,
    "contrast": 0.21,
    "sharpness": 1.3,
    "clipping": 0.02,
    "noise": 0.02,
    "confidence": 0.94,
    "entropy": 0.09,
    "margin": 0.91,
    "embedding_distance": 1.0,
    "latency_s": 0.024,
    "predicted_class": None,
    "embedding": None,
    "accuracy": 0.93,
    "calibration": 0.03,
}
MOVED = {"sharpness": -0.5, "confidence": -0.17, "embedding": 0.3, "entropy": 0.2, "margin": -0.2}


def ticks(session: Session) -> None:
    rng = np.random.default_rng(4)
    slices: list[tuple[str, float]] = [("all traffic", 0.22)]
    slices += [(f"site={site}", 0.5 if site == "south" else 0.0) for site in SITES]
    slices += [
        (f"site={site} & camera={camera}", float((site, camera) == BAD_CELL))
        for site, camera in CELLS
        if len(SITES[site]) > 1
    ]
    evidence: dict[tuple[str, str], float] = {}
    for minute in range(60, -1, -1):
        at = NOW - timedelta(minutes=minute, seconds=20)
        tick = TickRow(
            end_at=at, started_at=at, duration_ms=31.0, windows=3, streams=90, holder="serve-1"
        )
        session.add(tick)
        session.flush()
        values: dict[str, dict[str, list[float | None]]] = {}
        bad = at > ONSET
        release = timedelta(minutes=44) < NOW - at < timedelta(minutes=47)
        for slice_text, share in slices:
            row: dict[str, list[float | None]] = {}
            for signal, mean in MEANS.items():
                pull = MOVED.get(signal, 0.0)
                strength = share * bad + 0.9 * release * (signal != "sharpness")
                effect = abs(rng.normal(0.05, 0.03)) + abs(pull) * 1.6 * strength
                key = (slice_text, signal)
                before = evidence.get(key, 0.0)
                hot = bool(pull) and strength > 0.15
                evidence[key] = (before + 1) * (8.0 if hot else float(rng.uniform(0.1, 1.35)))
                evidence[key] = min(evidence[key], 3e7)
                if not hot and before > 1e4:
                    evidence[key] = 1.0
                moved = None
                if mean is not None:
                    moved = mean * (1 + pull * strength) * (1 + float(rng.normal(0, 0.008)))
                row[signal] = [float(rng.normal()), effect, evidence[key], moved, int(900 * 0.3)]
            values[slice_text] = row
        session.add(
            SignalPointRow(
                tick_id=tick.id,
                at=at,
                model=MODEL,
                deployment=DEPLOYMENT,
                versions={"v1": 200},
                records=int(880 + 60 * np.sin(minute / 6) + rng.normal(0, 12)),
                values=values,
            )
        )
    for signal, slice_text in (
        ("sharpness", BAD_SLICE),
        ("confidence", BAD_SLICE),
        ("embedding", BAD_SLICE),
        ("sharpness", "site=south"),
    ):
        session.add(
            VerdictRow(
                tick_id=tick.id,
                at=DETECTED,
                check="tick",
                model=MODEL,
                version="v1",
                deployment=DEPLOYMENT,
                slice=slice_text,
                signal=signal,
                outcome="drifted",
                score=9.0,
                evidence=5e4,
                effect=None,
                onset_at=ONSET,
                reason="evidence",
            )
        )
