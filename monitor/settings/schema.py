"""The shape of ``vigil.toml``. Unknown keys are refused; secrets are named, never written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from vigil.types import Cause

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretRef(Section):
    """Where a secret is: an environment variable, or a file."""

    env: str | None = None
    file: Path | None = None


class Service(Section):
    listen: str = "127.0.0.1:8080"
    url: str = "http://127.0.0.1:8080"
    allowed_hosts: tuple[str, ...] = ()
    database: str = "sqlite:///var/vigil.db"
    database_password: SecretRef | None = None
    samples: str = "var/samples"
    window_s: Positive = 60.0
    lateness_s: Annotated[float, Field(ge=0)] = 30.0
    max_future_s: Positive = 300.0
    session_secret: SecretRef | None = None


class Budget(Section):
    """At most ``false_pages`` expected in ``per_days`` days, over everything watched."""

    false_pages: Positive = 1.0
    per_days: Positive = 30.0

    def threshold_ticks(self, window_s: float) -> float:
        """Ticks per allowed false page: the evidence at which a page goes out."""
        return self.per_days * 86400.0 / window_s / self.false_pages


class Retention(Section):
    windows_days: Positive = 30.0
    samples_days: Positive = 14.0
    ledger_days: Positive = 30.0
    history_days: Positive = 365.0


class Checks(Section):
    """``min_history``: windows of history before a stream is judged without ``provisional``."""

    min_history: Annotated[int, Field(ge=20)] = 200
    silent_after_windows: Annotated[int, Field(ge=2)] = 3
    idle_after_windows: Annotated[int, Field(ge=2)] = 60
    missing_share: Share = 0.01
    min_records: Annotated[int, Field(ge=1)] = 1
    recovered_windows: Annotated[int, Field(ge=1)] = 3
    reopen_within_windows: Annotated[int, Field(ge=0)] = 10
    unproven_after_s: Positive = 900.0


class Rollback(Section):
    target: Literal["none", "registry", "webhook"] = "none"
    registry: Path | None = None
    url: str | None = None
    secret: SecretRef | None = None
    automatic: bool = False
    dry_run: bool = False
    cooldown_s: Annotated[float, Field(ge=0)] = 3600.0
    max_per_day: Annotated[int, Field(ge=1)] = 3
    approval_expires_s: Positive = 3600.0


class Replay(Section):
    url: str | None = None
    secret: SecretRef | None = None
    timeout_s: Positive = 10.0


class Relabel(Section):
    folder: str | None = None
    budget: Annotated[int, Field(ge=1)] = 100


class WatchedModel(Section):
    name: Name
    deployment: Name = "production"
    owner: str = ""
    keys: Annotated[tuple[Name, ...], Field(max_length=4)] = ()
    sources: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    pixels: Literal["none", "thumbnails"] = "none"
    latency_objective_s: Positive = 0.1
    tolerance: dict[str, Annotated[float, Field(ge=0)]] = {}
    rollback: Rollback = Rollback()
    replay: Replay = Replay()
    relabel: Relabel = Relabel()


class ConsoleReceiver(Section):
    kind: Literal["console"]


class SlackReceiver(Section):
    kind: Literal["slack"]
    token: SecretRef
    channel: str
    url: str = "https://slack.com/api/"


class PagerDutyReceiver(Section):
    kind: Literal["pagerduty"]
    routing_key: SecretRef
    url: str = "https://events.pagerduty.com"


Receiver = Annotated[
    ConsoleReceiver | SlackReceiver | PagerDutyReceiver, Field(discriminator="kind")
]


class RouteMatch(Section):
    model: str | None = None
    severity: Literal["info", "warning", "error", "critical"] | None = None
    cause: Cause | None = None


class Route(Section):
    """The first route whose ``match`` holds decides; an empty match holds always."""

    match: RouteMatch = RouteMatch()
    receivers: tuple[Name, ...]


class Grafana(Section):
    url: str = "http://127.0.0.1:3000"
    token: SecretRef | None = None
    folder: str = "vigil"
    datasource: str = "prometheus"


class Settings(Section):
    """Everything in ``vigil.toml``; paths are relative to the file."""

    service: Service = Service()
    budget: Budget = Budget()
    retention: Retention = Retention()
    checks: Checks = Checks()
    models: tuple[WatchedModel, ...] = ()
    receivers: dict[Name, Receiver] = {}
    routes: tuple[Route, ...] = ()
    runbooks: Path | None = None
    grafana: Grafana = Grafana()

    @property
    def threshold_ticks(self) -> float:
        return self.budget.threshold_ticks(self.service.window_s)

    def model(self, name: str, deployment: str) -> WatchedModel | None:
        for watched in self.models:
            if (watched.name, watched.deployment) == (name, deployment):
                return watched
        return None
