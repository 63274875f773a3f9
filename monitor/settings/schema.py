"""The shape of ``vigil.toml``. Unknown keys are refused; secrets are named, never written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from monitor.settings.alerting import (
    Digest,
    Escalation,
    Heartbeat,
    Hours,
    Incidents,
    Inhibition,
    Route,
)
from monitor.settings.controls import Controls
from monitor.settings.fields import (
    Days,
    HttpAddress,
    Name,
    Positive,
    Seconds,
    SecretRef,
    Section,
    Share,
    Switch,
    TraceUrl,
    Wait,
    Window,
    slice_name,
)
from monitor.settings.gate import Gate
from monitor.settings.labelling import Relabel
from monitor.settings.privacy import PrivacyRules
from monitor.settings.receivers import Receiver
from monitor.settings.retraining import Retraining
from monitor.settings.rollback import Replay, Rollback
from monitor.settings.serving import Serving
from vigil.privacy.rules import Policy, Privacy


class Service(Section):
    listen: str = "127.0.0.1:8080"
    url: HttpAddress = "http://127.0.0.1:8080"
    allowed_hosts: tuple[str, ...] = ()
    database: str = "sqlite:///var/vigil.db"
    database_password: SecretRef | None = None
    samples: Annotated[str, Field(min_length=1)] = "var/samples"
    window_s: Window = 60.0
    lateness_s: Wait = 30.0
    max_future_s: Seconds = 300.0
    session_secret: SecretRef | None = None
    trace_url: TraceUrl | None = None


CHANGE_SHARE, LABELS_SHARE, GUARDRAIL_SHARE = 0.85, 0.05, 0.05
"""What of the budget of false pages each track has: changes; risk and calibration of late labels,
each; guardrails. Together that is all of it."""

RESERVE = 1.5
"""Real traffic is not exchangeable, and tempering makes up for that only nearly: changes need so
much more evidence than the budget alone asks for (docs/decisions/0010, 0014). It delays a page by
the time that its logarithm takes to gather."""


class Budget(Section):
    """At most ``false_pages`` expected in ``per_days`` days, over everything watched."""

    false_pages: Positive = 1.0
    per_days: Days = 30.0

    def threshold_ticks(self, window_s: float) -> float:
        """Ticks per allowed false page, of all tracks together."""
        return self.per_days * 86400.0 / window_s / self.false_pages


class Retention(Section):
    windows_days: Days = 30.0
    samples_days: Days = 14.0
    ledger_days: Days = 30.0
    history_days: Days = 365.0


class Checks(Section):
    """``min_history``: windows of history before a stream is judged without ``provisional``."""

    min_history: Annotated[int, Field(ge=20, le=1_000_000, strict=True)] = 200
    silent_after_windows: Annotated[int, Field(ge=2, le=1_000_000, strict=True)] = 3
    idle_after_windows: Annotated[int, Field(ge=2, le=1_000_000, strict=True)] = 60
    missing_share: Share = 0.01
    min_records: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 1
    recovered_windows: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 3
    reopen_within_windows: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 10
    unproven_after_s: Seconds = 900.0
    drift_every_s: Seconds = 3600.0
    drift_over_s: Seconds = 86_400.0


class Audit(Section):
    """``every_days``: how often stored windows are replayed against the budget; 0 never does."""

    every_days: Annotated[float, Field(ge=0, le=36_500, strict=True)] = 7.0


class Guardrail(Section):
    """A slice, ``key=value`` or several joined by `` & ``, where ``signal`` may move by ``margin``
    at most: beyond it, drift from the baseline pages."""

    slice: Annotated[str, AfterValidator(slice_name)] = "all traffic"
    signal: Name = "accuracy"
    margin: Share


class WatchedModel(Section):
    name: Name
    deployment: Name = "production"
    owner: str = ""
    upstream: str = ""
    keys: Annotated[tuple[Name, ...], Field(max_length=4)] = ()
    sources: tuple[str, ...] = ()
    steady: Annotated[tuple[Name, ...], Field(max_length=4)] = ()
    class_names: tuple[str, ...] = ()
    pixels: Literal["none", "thumbnails", "full"] = "none"
    privacy: PrivacyRules = PrivacyRules()
    latency_objective_s: Seconds = 0.1
    labels_every_s: Seconds | None = None
    error_cost: Positive | None = None
    currency: str = ""
    price_per_hour: Positive | None = None
    tolerance: dict[str, Annotated[float, Field(ge=0, strict=True)]] = Field(default_factory=dict)
    rollback: Rollback = Rollback()
    guardrails: tuple[Guardrail, ...] = ()
    replay: Replay = Replay()
    relabel: Relabel = Relabel()
    retraining: Retraining = Retraining()
    gate: Gate = Gate()
    controls: Controls = Controls()

    @model_validator(mode="after")
    def _keys_may_leave(self) -> Self:
        allowed = self.privacy.metadata
        hidden = [key for key in self.keys if allowed is not None and key not in allowed]
        if hidden:
            raise ValueError(
                f"privacy.metadata: expected the model's keys in it, found no {', '.join(hidden)}"
            )
        return self

    @property
    def policy(self) -> Policy:
        """What every tap of the model must keep to, at least."""
        rules = self.privacy
        return Policy(
            pixels=self.pixels if "pixels" in self.model_fields_set else "full",
            metadata=rules.metadata,
            hash_metadata=rules.hash_metadata,
            ids=rules.ids,
            uris=rules.uris,
            trace_ids=rules.trace_ids,
            consent=rules.consent,
            without_consent=rules.without_consent,
        )


class Grafana(Section):
    url: HttpAddress = "http://127.0.0.1:3000"
    token: SecretRef | None = None
    folder: str = "vigil"
    datasource: str = "prometheus"
    annotations: Switch = False


class Settings(Section):
    """Everything in ``vigil.toml``; paths are relative to the file."""

    service: Service = Service()
    budget: Budget = Budget()
    retention: Retention = Retention()
    checks: Checks = Checks()
    audit: Audit = Audit()
    serving: Serving = Serving()
    models: tuple[WatchedModel, ...] = ()
    receivers: dict[Name, Receiver] = Field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    hours: dict[Name, Hours] = Field(default_factory=dict)
    escalations: dict[Name, Escalation] = Field(default_factory=dict)
    inhibit: tuple[Inhibition, ...] = ()
    incidents: Incidents = Incidents()
    digest: Digest = Digest()
    heartbeat: Heartbeat = Heartbeat()
    runbooks: Path | None = None
    runbook_review_days: Days = 180.0
    grafana: Grafana = Grafana()

    @property
    def threshold_ticks(self) -> float:
        """The evidence at which a change pages: the other tracks have their share of the budget."""
        return RESERVE * self.budget.threshold_ticks(self.service.window_s) / CHANGE_SHARE

    def policy(self, model: str) -> Policy:
        """What every tap of a model must keep to: the strictest of what its deployments say, for a
        tap asks by the model's name."""
        strictest = Privacy(pixels="full")
        for one in self.models:
            if one.name == model:
                strictest = strictest.stricter(one.policy)
        return strictest.as_policy

    def model(self, name: str, deployment: str) -> WatchedModel | None:
        for watched in self.models:
            if (watched.name, watched.deployment) == (name, deployment):
                return watched
        return None
