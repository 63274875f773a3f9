"""A whole service with Slack and PagerDuty beside it, both ways, over HTTP."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from sqlalchemy import select

from alerts.actions.plan import RollbackPlan
from alerts.types import (
    AlertKind,
    Finding,
    Incident,
    MessageEvent,
    Severity,
    TimelineEntry,
)
from monitor.response import record
from monitor.schedule.wiring import wire
from monitor.services import open_services
from monitor.settings.alerting import Route
from monitor.settings.fields import SecretRef
from monitor.settings.receivers import PagerDutyReceiver, SlackReceiver
from monitor.settings.schema import Service, Settings, WatchedModel
from monitor.standins.app import StandIns
from monitor.standins.pagerduty_webhooks import Subscription
from monitor.standins.slack_clicks import Interactivity
from monitor.store.samples import MemorySamples
from monitor.store.tables import ActionRow, AuditRow, OutboxRow, TimelineRow
from monitor.web.app import create_app
from vigil.clock import ManualClock
from vigil.types import WHOLE, Cause, Effect, SignalKind

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CHANNEL = "C0METERREAD"
SIGNING, WEBHOOK = "slack-signing-secret", "pagerduty-webhook-secret"
SECRETS = {
    "INB_SLACK_TOKEN": "xoxb-token",
    "INB_SLACK_SIGNING": SIGNING,
    "INB_PAGERDUTY_KEY": "secret-routing-key-of-32-letters",
    "INB_PAGERDUTY_WEBHOOK": WEBHOOK,
}
OPERATOR, APPROVER, VIEWER, STRANGER = "UOPERATE", "UAPPROVE", "UVIEW", "USTRANGER"


def an_incident(**values: Any) -> Incident:
    effect = Effect(value=0.6, low=0.5, high=0.7, tolerance=0.1, unit="KS", records=400)
    made = Incident(
        id=0,
        group_key="reader/production/model_regression",
        fingerprint="f" * 32,
        kind=AlertKind.MODEL_REGRESSION,
        cause=Cause.MODEL_REGRESSION,
        severity=Severity.CRITICAL,
        model="reader",
        model_version="v2",
        deployment="production",
        slice=WHOLE,
        title="reader v2 is worse than v1",
        onset_at=NOON - timedelta(minutes=5),
        detected_at=NOON,
        last_firing_at=NOON,
        findings=(
            Finding(signal="confidence", kind=SignalKind.PREDICTION, slice=WHOLE, effect=effect),
        ),
        labels={"previous_version": "v1", "began_with_release": "yes"},
        runbook="model_regression",
    )
    return replace(made, **values)


class Scene:
    """Vigil on a free port; stand-ins that know where it listens."""

    def __init__(self, database: str, *, signed: bool = True) -> None:
        self.clock = ManualClock(NOON)
        self.standins = StandIns(clock=self.clock)
        self.slack, self.pagerduty = self.standins.slack, self.standins.pagerduty
        self.services = open_services(
            self._settings(database, signed), clock=self.clock, samples=MemorySamples()
        )
        self.works = wire(self.services, holder="test")
        self.app = create_app(self.services, announcer=self.works.announcer)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        config = uvicorn.Config(self.app, host="127.0.0.1", port=port, log_level="critical")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        inbound = f"{self.url}/v1/inbound"
        self.slack.clicks.interactivity = Interactivity(
            url=f"{inbound}/slack/chat", signing_secret=SIGNING
        )
        self.pagerduty.webhooks.subscription = Subscription(
            url=f"{inbound}/pagerduty/oncall", secrets=(WEBHOOK,)
        )

    def _settings(self, database: str, signed: bool) -> Settings:
        def secret(name: str) -> SecretRef:
            return SecretRef(env=f"INB_{name}")

        chat = SlackReceiver(
            kind="slack",
            token=secret("SLACK_TOKEN"),
            channel=CHANNEL,
            signing_secret=secret("SLACK_SIGNING") if signed else None,
            people={OPERATOR: "operator", APPROVER: "approver", VIEWER: "viewer"},
            url=f"{self.standins.url}/slack/api/",
        )
        oncall = PagerDutyReceiver(
            kind="pagerduty",
            routing_key=secret("PAGERDUTY_KEY"),
            webhook_secret=secret("PAGERDUTY_WEBHOOK") if signed else None,
            url=f"{self.standins.url}/pagerduty",
        )
        return Settings(
            service=Service(database=database),
            models=(WatchedModel(name="reader"),),
            receivers={"chat": chat, "oncall": oncall},
            routes=(Route(receivers=("chat", "oncall")),),
        )

    def start(self) -> None:
        self.standins.start()
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        for notifier in self.works.outbox._notifiers.values():
            getattr(notifier, "close", lambda: None)()
        self.standins.close()
        self.services.close()

    def incident(self, **values: Any) -> Incident:
        """One that everybody has been told of."""
        with self.services.sessions.begin() as session:
            entry = TimelineEntry(at=NOON, kind="detected", actor="vigil", text="It drifts.")
            made = record.create(session, an_incident(**values), entry)
            self.works.announcer.tell(session, made, MessageEvent.TRIGGER, at=self.clock.now())
        self.deliver()
        return made

    def waiting_rollback(self, incident: Incident) -> ActionRow:
        """A rollback that waits for a yes, of which everybody has been told."""
        plan = RollbackPlan(
            incident_id=incident.id,
            model=incident.model,
            deployment=incident.deployment,
            from_version="v2",
            to_version="v1",
            target="registry",
        )
        with self.services.sessions.begin() as session:
            row = ActionRow(
                incident_id=incident.id,
                kind="rollback",
                state="waiting",
                plan=plan.to_json(),
                plan_hash=plan.hash,
                decision={"needs_approval": True, "reasons": []},
                result={"text": "Rollback waits: it was not tried on the same images."},
                created_at=self.clock.now(),
                updated_at=self.clock.now(),
            )
            session.add(row)
            session.flush()
            touched = record.touch(session, record.get(session, incident.id))
            self.works.announcer.tell(
                session, touched, MessageEvent.UPDATE, at=self.clock.now(), note="It waits."
            )
        self.deliver()
        return row

    def deliver(self) -> None:
        while self.works.outbox.deliver_due():
            pass

    @property
    def ts(self) -> str:
        """Of the newest message in the channel."""
        return self.slack.messages[-1].ts

    def buttons(self) -> list[str]:
        """The texts of the buttons that the newest message has."""
        message = self.slack.messages[-1].to_json()
        return [each["text"]["text"] for each in self.slack.clicks.buttons(message)]

    def click(self, verb: str, user: str = OPERATOR, name: str = "ann") -> int:
        return self.slack.click(self.ts, f"vigil.{verb}", user=user, name=name)

    def ephemeral(self, least: int = 1) -> list[str]:
        """What pressers were told alone; waits a little, for it comes after the answer."""
        for _ in range(250):
            if len(self.slack.clicks.answers) >= least:
                break
            time.sleep(0.02)
        return [each["text"] for each in self.slack.clicks.answers]

    def now(self, incident: Incident) -> Incident:
        with self.services.sessions() as session:
            return record.get(session, incident.id)

    def timeline(self, incident: Incident) -> list[tuple[str, str]]:
        """Kind and actor of each line that a person or another system made."""
        with self.services.sessions() as session:
            rows = session.scalars(
                select(TimelineRow)
                .where(TimelineRow.incident_id == incident.id, TimelineRow.actor != "vigil")
                .order_by(TimelineRow.id)
            )
            return [(row.kind, row.actor) for row in rows]

    def audited(self) -> list[tuple[str, str]]:
        with self.services.sessions() as session:
            return [
                (row.what, row.actor)
                for row in session.scalars(select(AuditRow).order_by(AuditRow.id))
            ]

    def queued(self, receiver: str) -> list[str]:
        """The events that were ever queued for a receiver."""
        with self.services.sessions() as session:
            rows = select(OutboxRow.event).where(OutboxRow.receiver == receiver)
            return list(session.scalars(rows.order_by(OutboxRow.id)))

    def sent(self, receiver: str) -> list[str]:
        """The events that went out to a receiver."""
        with self.services.sessions() as session:
            rows = select(OutboxRow.event).where(
                OutboxRow.receiver == receiver, OutboxRow.attempts > 0
            )
            return list(session.scalars(rows.order_by(OutboxRow.id)))
