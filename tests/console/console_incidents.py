"""What went wrong in the made-up fleet: a blurred camera, a new site, a bad release."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
from console_world import BAD_SLICE, DEPLOYMENT, DETECTED, HOSTILE, MODEL, NOW, ONSET
from incident_rows import incident_row, task_row
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from monitor.labelling import pictures
from monitor.store.samples import SampleStore
from monitor.store.tables import ActionRow, OutboxRow, TimelineRow


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
    columns = {
        "model": MODEL,
        "deployment": DEPLOYMENT,
        "slice": "",
        "version": 3,
        "last_firing_at": NOW,
        **values,
    }
    row = incident_row(DETECTED, **columns)
    session.add(row)
    session.flush()
    return row.id


def blurred_camera(session: Session) -> int:
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


def thumbnail(seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    image = np.full((28, 28), 26, np.uint8)
    x, y = rng.integers(6, 14, 2)
    image[y : y + 12, x : x + 3] = 225
    image[y : y + 3, x : x + 9] = 205
    return np.clip(image + rng.normal(0, 14, image.shape), 0, 255).astype(np.uint8)


def new_site(session: Session, samples: SampleStore) -> int:
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
        result={"text": "Queued 40 images.", "location": "var/relabel"},
        created_at=NOW - timedelta(minutes=29),
        updated_at=NOW - timedelta(minutes=29),
        executed_at=NOW - timedelta(minutes=29),
    )
    session.add(action)
    session.flush()
    batch, ids = f"incident-{key}", [f"edge-2.b0.{1000 + rank}" for rank in range(40)]
    shown = np.stack([thumbnail(rank) for rank in range(40)])[..., None]
    pictures.write(
        samples,
        batch,
        pictures.Pictures(ids=tuple(ids), thumbnails=shown, embedding=np.zeros((40, 4), "f2")),
    )
    for rank, record_id in enumerate(ids):
        session.add(
            task_row(
                action_id=action.id,
                queue="files var/relabel",
                batch=batch,
                model=MODEL,
                deployment=DEPLOYMENT,
                slice="site=harbour",
                record_id=record_id,
                rank=rank,
                reason="uncertain: 0.34 against 0.31" if rank % 3 else "far from the baseline",
                score=1.0 - rank / 50,
                state="queued",
                external_id=f"{batch}/{rank:04d}",
                picked_at=NOW - timedelta(minutes=29),
                queued_at=NOW - timedelta(minutes=29),
                looks="pixels",
                data={"prediction": rank % 10, "metadata": {"site": "harbour"}},
            )
        )
    return key


def bad_release(session: Session) -> int:
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


def hostile(session: Session) -> int:
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
