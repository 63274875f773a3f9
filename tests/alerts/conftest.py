"""Builders of incidents and messages for the tests of the alert path."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.types import (
    AlertKind,
    Finding,
    Incident,
    Link,
    Message,
    MessageEvent,
    Severity,
)
from vigil.types import WHOLE, Cause, Effect, SignalKind

ONSET = datetime(2026, 3, 1, 2, 58, 30, tzinfo=UTC)
DETECTED = ONSET + timedelta(seconds=90)


def an_effect(value: float = 0.62, spread: float = 0.07, tolerance: float = 0.15) -> Effect:
    return Effect(
        value=value,
        low=value - spread,
        high=value + spread,
        tolerance=tolerance,
        unit="KS",
        records=412,
    )


def a_finding(signal: str = "confidence", **values: object) -> Finding:
    defaults: dict[str, object] = {
        "signal": signal,
        "kind": SignalKind.PREDICTION,
        "slice": WHOLE,
        "effect": an_effect(),
        "evidence": 9.1e6,
        "threshold": 86400.0,
        "before": 0.97,
        "now": 0.71,
    }
    return Finding(**{**defaults, **values})  # type: ignore[arg-type]


def an_incident(**values: object) -> Incident:
    incident = Incident(
        id=7,
        group_key="meter-reader/production/model_regression",
        fingerprint="f" * 32,
        kind=AlertKind.MODEL_REGRESSION,
        cause=Cause.MODEL_REGRESSION,
        severity=Severity.CRITICAL,
        model="meter-reader",
        model_version="v2",
        deployment="production",
        slice=WHOLE,
        title="meter-reader v2 is worse than v1",
        onset_at=ONSET,
        detected_at=DETECTED,
        last_firing_at=DETECTED,
        findings=(a_finding(),),
        reasons=("v1 was healthy on the same traffic",),
        labels={"previous_version": "v1", "owner": "vision"},
        runbook="model_regression",
    )
    return replace(incident, **values)  # type: ignore[arg-type]


def a_message(event: MessageEvent = MessageEvent.TRIGGER, **values: object) -> Message:
    message = Message(
        id=f"incident-7-{event.value}-1",
        event=event,
        incident=an_incident(),
        headline="meter-reader v2 is worse than v1",
        what=("confidence fell from 0.97 to 0.71",),
        where="all traffic of meter-reader v2 in production",
        since="02:58:30 UTC, 2 min before this page",
        how_sure="105 times the evidence that a page needs",
        done=("rolled back from v2 to v1",),
        next="vigil watches whether it recovers",
        todo="Nothing yet; stay near.",
        runbook_url="http://127.0.0.1:8080/runbooks/model_regression?incident=7",
        incident_url="http://127.0.0.1:8080/incidents/7",
        links=(Link(text="Model", href="http://127.0.0.1:8080/models/meter-reader/production"),),
        note="Rolled back from v2 to v1.",
        sent_at=DETECTED,
    )
    return replace(message, **values)  # type: ignore[arg-type]


@pytest.fixture
def incident() -> Incident:
    return an_incident()


@pytest.fixture
def make_incident() -> Callable[..., Incident]:
    return an_incident


@pytest.fixture
def make_finding() -> Callable[..., Finding]:
    return a_finding


@pytest.fixture
def make_effect() -> Callable[..., Effect]:
    return an_effect


@pytest.fixture
def make_message() -> Callable[..., Message]:
    return a_message


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for 127.0.0.1, signed by itself: ``c``, and its key ``k``."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout k -out c"
    alternative = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [openssl, *command.split(), *alternative], cwd=folder, check=True, capture_output=True
    )
    return folder
