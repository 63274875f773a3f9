"""A made-up fleet in a database: traffic, a bad release, a blurred camera, a new site."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from monitor.metrics import Metrics
from monitor.settings.schema import Settings
from monitor.settings.secrets import Secret
from monitor.store import baselines
from monitor.store.database import Sessions, open_engine
from monitor.store.samples import MemorySamples, SampleStore
from monitor.store.tables import (
    ActionRow,
    Base,
    CoverageRow,
    IncidentRow,
    LabelRow,
    OutboxRow,
    RejectionRow,
    RelabelItemRow,
    ReleaseRow,
    SignalPointRow,
    SourceRow,
    TickRow,
    TimelineRow,
    VerdictRow,
    WindowRow,
)
from monitor.store.windows import pack_summary
from vigil.baseline import Baseline
from vigil.batch import RecordBatch
from vigil.catalogue import SCALAR_NAMES
from vigil.clock import ManualClock
from vigil.ruler import Projection, Ruler
from vigil.sample import Sample
from vigil.summarise import sample_of, summarise
from vigil.summary import CONFIDENCE_BINS, Layout, Outcomes
from vigil.types import ModelRef
from vigil.window import Window

NOW = datetime(2026, 11, 21, 3, 12, 40, tzinfo=UTC)
MODEL, DEPLOYMENT = "meter-reader", "production"
SITES = {"north": ("cam-01", "cam-02"), "south": ("cam-03", "cam-04"), "dock": ("cam-05",)}
CELLS = tuple((site, camera) for site, cameras in SITES.items() for camera in cameras)
BAD_CELL = ("south", "cam-04")
BAD_SLICE = "site=south & camera=cam-04"
HOSTILE = "<script>alert(1)</script>"
DIM, CLASSES, BINS = 16, 10, 48
WINDOW_S = 60.0
ONSET, DETECTED = NOW - timedelta(minutes=14), NOW - timedelta(minutes=12, seconds=21)


@dataclass
class Fleet:
    settings: Settings
    clock: ManualClock
    sessions: Sessions
    samples: SampleStore
    folder: Path
    engine: Engine
    metrics: Metrics
    session_secret: Secret
    incidents: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


def empty_fleet(folder: Path, **service: Any) -> Fleet:
    engine = open_engine(f"sqlite:///{folder / 'vigil.db'}")
    Base.metadata.create_all(engine)
    settings = Settings.model_validate(
        {
            "service": {"window_s": WINDOW_S, **service},
            "models": [
                {
                    "name": MODEL,
                    "owner": "team-vision",
                    "keys": ["site", "camera"],
                    "class_names": [str(k) for k in range(10)],
                }
            ],
        }
    )
    return Fleet(
        settings=settings,
        clock=ManualClock(NOW),
        sessions=Sessions(engine),
        samples=MemorySamples(),
        folder=folder,
        engine=engine,
        metrics=Metrics(),
        session_secret=Secret("not so secret"),
    )


def batch(
    rng: np.random.Generator, n: int, cell: tuple[str, str], at: datetime, *, blurred: bool = False
) -> RecordBatch:
    """Signals, probabilities and embeddings of n made-up images of one camera."""
    site = list(SITES).index(cell[0])
    noise = rng.normal(size=(n, len(SCALAR_NAMES)))
    centre = np.array([0.46 + 0.03 * site, 0.21, 1.3, 0.3, 0.02, 0.02, 0.0, 0.0, 0.0, 1.0, 0.024])
    spread = np.array([0.05, 0.03, 0.16, 0.05, 0.008, 0.005, 0.0, 0.0, 0.0, 0.2, 0.004])
    signals = np.abs(centre + noise * spread)
    if blurred:
        signals[:, 2] *= 0.58
    logits = rng.normal(size=(n, CLASSES)) * 0.9
    truth = rng.integers(0, CLASSES, n)
    logits[np.arange(n), truth] += np.where(rng.random(n) < (0.55 if blurred else 0.94), 5.2, 1.4)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    ordered = np.sort(p, axis=1)
    signals[:, 6] = ordered[:, -1]
    signals[:, 7] = -(p * np.log(p + 1e-12)).sum(axis=1) / np.log(CLASSES)
    signals[:, 8] = ordered[:, -1] - ordered[:, -2]
    means = np.random.default_rng(5).normal(size=(CLASSES, DIM)) * 1.7
    embedding = means[truth] + rng.normal(size=(n, DIM)) * 0.7
    if blurred:
        embedding = embedding * 0.55 + np.linspace(2.2, -1.2, DIM)
    start = int(at.timestamp() * 1000) * 1000 + 200 * CELLS.index(cell) if cell in CELLS else 0
    return RecordBatch(
        ids=tuple(f"edge-1.b0.{start + i}" for i in range(n)),
        counter=np.arange(n, dtype=np.uint64),
        custom_ids=False,
        time_s=np.full(n, at.timestamp()) + np.arange(n) / max(1, n),
        version="v1",
        signals=signals,
        prediction=p.argmax(axis=1).astype(np.int32),
        probabilities=p.astype(np.float32),
        embedding=embedding.astype(np.float32),
        metadata=tuple({"site": cell[0], "camera": cell[1]} for _ in range(n)),
        uris=("",) * n,
        trace_ids=("",) * n,
        thumbnails=np.zeros((n, 0, 0, 1), np.uint8),
    )


def make_baseline(version: str, created_at: datetime) -> Baseline:
    rng = np.random.default_rng(1)
    batches = [batch(rng, 400, cell, created_at) for cell in CELLS]
    signals = np.concatenate([b.signals for b in batches])
    layout = Layout(
        keys=("site", "camera"), signals=SCALAR_NAMES, bins=BINS, classes=CLASSES, features=32
    )
    ruler = Ruler(
        model=ModelRef(name=MODEL, version=version),
        layout=layout,
        edges=np.quantile(signals, np.linspace(0, 1, BINS + 1)[1:-1], axis=0).T.copy(),
        center=signals.mean(axis=0),
        scale=signals.std(axis=0) + 1e-9,
        projection=Projection(
            weights=rng.normal(size=(16, DIM)).astype(np.float32) / 4,
            mean=np.zeros(DIM, np.float32),
            whitening=np.eye(4, DIM, dtype=np.float32) / 2,
        ),
    )
    whole = [summarise(b, ruler) for b in batches]
    reference = whole[0][0]
    for summary, _, _ in whole[1:]:
        reference = reference + summary
    confidence = np.linspace(0.35, 0.999, CONFIDENCE_BINS * 60)
    correct = rng.random(len(confidence)) < confidence
    return Baseline(
        model=ModelRef(name=MODEL, version=version),
        dataset="fleet-2026-10, 5 cameras",
        created_at=created_at,
        ruler=ruler,
        reference=reference,
        outcomes=Outcomes.of((), [()] * len(confidence), confidence, correct),
        healthy_scores={},
        sample=Sample.merge(
            [sample_of(b, k=120, weighted=False, keep_thumbnails=False) for b in batches], 500
        ),
        class_names=tuple(str(k) for k in range(CLASSES)),
        author="mira",
        reason="release 1",
    )


def _coverage(session: Session) -> None:
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


def seed_fleet(fleet: Fleet) -> Fleet:
    """An hour of traffic; camera 4 loses focus fourteen minutes before the end."""
    with fleet.sessions.begin() as session:
        created = NOW - timedelta(days=9)
        baseline = make_baseline("v1", created)
        baselines.add(session, baseline)
        _releases(session)
        _traffic(session, fleet, baseline)
        _labels(session)
        _coverage(session)
        _ticks(session)
        fleet.incidents["input_fault"] = _blurred_camera(session)
        fleet.incidents["domain_shift"] = _new_site(session, fleet.folder / "relabel")
        fleet.incidents["model_regression"] = _bad_release(session)
        fleet.incidents["hostile"] = _hostile(session)
        session.add(
            RejectionRow(
                hour=NOW - timedelta(hours=1),
                source="edge-9",
                what="label",
                reason="unknown_record",
                count=3,
                example="",
            )
        )
    return fleet


def _releases(session: Session) -> None:
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


def _traffic(session: Session, fleet: Fleet, baseline: Baseline) -> None:
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
                blob=pack_summary(total, {}),
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


def _labels(session: Session) -> None:
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


def _ticks(session: Session) -> None:
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


def finding(signal: str, kind: str, slice_text: str, value: float, **more: Any) -> dict[str, Any]:
    effect = {
        "value": value,
        "low": value - 0.06,
        "high": value + 0.06,
        "tolerance": 0.15,
        "unit": "KS distance",
        "records": 412,
    }
    base = {"signal": signal, "kind": kind, "slice": slice_text, "effect": effect}
    return {**base, "evidence": 61200.0, "novel": False, **more}


def incident(session: Session, **values: Any) -> int:
    row = IncidentRow(
        **{
            "group_key": "g",
            "fingerprint": "f",
            "kind": values["cause"],
            "severity": "error",
            "model": MODEL,
            "model_version": "v1",
            "deployment": DEPLOYMENT,
            "slice": "",
            "state": "open",
            "version": 3,
            "detected_at": DETECTED,
            "last_firing_at": NOW,
            "findings": [],
            "reasons": [],
            "labels": {},
            "runbook": values["cause"],
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row.id


def _blurred_camera(session: Session) -> int:
    key = incident(
        session,
        cause="input_fault",
        title="Input fault: images of camera cam-04 at site south lost sharpness",
        slice=BAD_SLICE,
        onset_at=ONSET,
        onset_first_at=ONSET - timedelta(minutes=2),
        onset_last_at=ONSET + timedelta(minutes=1),
        paged_at=DETECTED + timedelta(seconds=1.4),
        acknowledged_at=DETECTED + timedelta(minutes=3, seconds=8),
        state="acknowledged",
        findings=[
            finding("sharpness", "image", BAD_SLICE, 0.71, before=1.31, now=0.76),
            finding(
                "confidence", "prediction", BAD_SLICE, 0.38, before=0.94, now=0.78, evidence=9100.0
            ),
            finding("embedding", "embedding", BAD_SLICE, 0.52, evidence=420.0),
            finding("entropy", "prediction", BAD_SLICE, 0.36, before=0.09, now=0.16, evidence=31.0),
            finding(
                "sharpness", "image", "site=south", 0.36, before=1.30, now=1.03, evidence=2200.0
            ),
        ],
        reasons=[
            "Image statistics moved: sharpness fell from 1.31 to 0.76 on that camera.",
            "No other camera shows it, so it is not the model and not a release.",
            "The last release (v1, rollback) was 30 minutes before the onset.",
        ],
    )
    session.add(
        ActionRow(
            incident_id=key,
            kind="rollback",
            state="refused",
            plan={
                "model": MODEL,
                "deployment": DEPLOYMENT,
                "from_version": "v1",
                "to_version": "v0",
                "target": "registry",
            },
            plan_hash="9f2c41d07ab3" + "0" * 52,
            decision={
                "outcome": "refuse",
                "reasons": [
                    {
                        "outcome": "refuse",
                        "code": "cause",
                        "text": "the images are at fault, and every version would see them",
                    },
                    {
                        "outcome": "refuse",
                        "code": "no_better",
                        "text": "v0 would be no better: on 412 of today's images its confidence "
                        "is off by 0.35 (0.29 to 0.41), that of v1 by 0.38",
                    },
                    {
                        "outcome": "refuse",
                        "code": "not_caused_by_release",
                        "text": "it began 30 minutes after the last release",
                    },
                    {"outcome": "allow", "code": "known_good", "text": "v0 was known good"},
                ],
                "interlock": {
                    "outcome": "no_better",
                    "text": "No: v0 replayed on the same 412 images is as far off its baseline.",
                },
            },
            created_at=DETECTED + timedelta(seconds=2),
            updated_at=DETECTED + timedelta(seconds=2),
        )
    )
    for seconds, kind, actor, text in (
        (0, "opened", "vigil", "5 signals drifted on site=south & camera=cam-04"),
        (1, "paged", "vigil", "pagerduty and slack"),
        (2, "rollback_refused", "vigil", "rollback to v0 refused, three reasons"),
        (188, "acknowledged", "jo", "on it"),
        (300, "note", "jo", "Camera 4 was cleaned this evening; asked the site to refocus."),
    ):
        session.add(
            TimelineRow(
                incident_id=key,
                at=DETECTED + timedelta(seconds=seconds),
                kind=kind,
                actor=actor,
                text=text,
            )
        )
    for receiver, event, state, error, receipt in (
        ("pagerduty", "trigger", "delivered", "", {"dedup_key": f"vigil-incident-{key}"}),
        ("slack", "trigger", "delivered", "", {"channel": "C042", "ts": "1795230021.000300"}),
        ("slack", "update", "waiting", "429 from Slack, asked to wait 30 s", {}),
    ):
        session.add(
            OutboxRow(
                dedup_key=f"{key}-{receiver}-{event}",
                receiver=receiver,
                incident_id=key,
                event=event,
                message={},
                state=state,
                attempts=3 if error else 1,
                created_at=DETECTED,
                next_attempt_at=NOW + timedelta(seconds=18),
                delivered_at=None if error else DETECTED + timedelta(seconds=1.2),
                last_error=error,
                receipt=receipt,
            )
        )
    return key


def thumbnail(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    image = np.full((28, 28), 26, np.uint8)
    x, y = rng.integers(6, 14, 2)
    image[y : y + 12, x : x + 3] = 225
    image[y : y + 3, x : x + 9] = 205
    noisy = np.clip(image + rng.normal(0, 14, image.shape), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(noisy).save(out, "PNG")
    return out.getvalue()


def _new_site(session: Session, exported: Path) -> int:
    (exported / "images").mkdir(parents=True)
    key = incident(
        session,
        cause="domain_shift",
        severity="warning",
        title="Domain shift: site harbour sends digits the model has not seen",
        slice="site=harbour",
        onset_at=NOW - timedelta(minutes=31),
        detected_at=NOW - timedelta(minutes=29, seconds=40),
        paged_at=NOW - timedelta(minutes=29, seconds=38),
        findings=[finding("embedding", "embedding", "site=harbour", 0.62, novel=True)],
        reasons=["Embeddings and predictions moved; image statistics are sane."],
    )
    action = ActionRow(
        incident_id=key,
        kind="relabel",
        state="done",
        plan={"budget": 60, "folder": "var/relabel"},
        plan_hash="ab" * 32,
        result={"text": "Queued 40 images.", "location": str(exported.resolve())},
        created_at=NOW - timedelta(minutes=29),
        updated_at=NOW - timedelta(minutes=29),
        executed_at=NOW - timedelta(minutes=29),
    )
    session.add(action)
    session.flush()
    for rank in range(40):
        (exported / "images" / f"{rank:04d}.png").write_bytes(thumbnail(rank))
        session.add(
            RelabelItemRow(
                action_id=action.id,
                record_id=f"edge-2.b0.{1000 + rank}",
                rank=rank,
                reason="uncertain: 0.34 against 0.31" if rank % 3 else "far from the baseline",
                score=1.0 - rank / 50,
                data={
                    "image": f"images/{rank:04d}.png",
                    "prediction": rank % 10,
                    "metadata": {"site": "harbour"},
                },
            )
        )
    return key


def _bad_release(session: Session) -> int:
    began = NOW - timedelta(minutes=46, seconds=30)
    key = incident(
        session,
        cause="model_regression",
        severity="critical",
        title="Model regression: v2 is less confident than v1 was on the same traffic",
        model_version="v2",
        state="resolved",
        onset_at=began,
        detected_at=began + timedelta(seconds=38),
        paged_at=began + timedelta(seconds=39),
        mitigated_at=began + timedelta(seconds=52),
        recovered_at=began + timedelta(minutes=4),
        resolved_at=began + timedelta(minutes=4, seconds=2),
        disposition="true_alarm",
        findings=[finding("confidence", "prediction", "all traffic", 0.44, before=0.94, now=0.71)],
    )
    session.add(
        ActionRow(
            incident_id=key,
            kind="rollback",
            state="recovered",
            plan={"from_version": "v2", "to_version": "v1", "target": "registry"},
            plan_hash="cd" * 32,
            decision={"outcome": "allow", "reasons": []},
            result={"text": "v1 serves again; the effect is below tolerance for 3 windows"},
            created_at=began + timedelta(seconds=40),
            updated_at=began + timedelta(seconds=52),
            executed_at=began + timedelta(seconds=41),
        )
    )
    return key


def _hostile(session: Session) -> int:
    key = incident(
        session,
        cause="service_fault",
        severity="info",
        title=f"Service fault: latency {HOSTILE}",
        slice=f"site={HOSTILE}",
        model="plate-finder",
        deployment="canary",
        model_version=HOSTILE,
        detected_at=NOW - timedelta(minutes=5),
        onset_at=None,
        findings=[finding("latency_s", "service", f"site={HOSTILE}", 0.4, reason=HOSTILE)],
        reasons=[HOSTILE],
        runbook="service_fault",
    )
    session.add(
        ActionRow(
            incident_id=key,
            kind="rollback",
            state="waiting",
            plan={"to_version": HOSTILE, "from_version": "a"},
            plan_hash="ef" * 32,
            decision={
                "outcome": "wait",
                "reasons": [
                    {
                        "outcome": "wait",
                        "code": "no_counterfactual",
                        "text": f"cannot tell {HOSTILE}",
                    }
                ],
            },
            created_at=NOW - timedelta(minutes=4),
            updated_at=NOW - timedelta(minutes=4),
        )
    )
    session.add(
        TimelineRow(
            incident_id=key, at=NOW - timedelta(minutes=5), kind="note", actor=HOSTILE, text=HOSTILE
        )
    )
    return key
