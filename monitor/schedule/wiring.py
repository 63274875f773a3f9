"""The hands that the settings name: receivers, rollback targets, replay endpoints, label queues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from alerts.actions.replay import ReplayClient, Replays
from alerts.actions.replay_function import FunctionReplay
from alerts.labels import labels_of
from alerts.notifiers.console import ConsoleNotifier
from alerts.notifiers.slack_upload import SlackUpload
from alerts.routing.tree import choose
from alerts.types import AlertKind
from monitor.audit.job import SelfAudits
from monitor.canary.canaries import Canaries
from monitor.checks.due import end_of
from monitor.controls.open import control_targets
from monitor.controls.worker import ControlWorker
from monitor.labelling.daily import DailyPicks
from monitor.labelling.quality_gauges import QualityGauges
from monitor.labelling.queues import label_queues
from monitor.labelling.returns import LabelReturns
from monitor.labelling.upkeep import Upkeep
from monitor.labelling.withdrawing import Withdrawals
from monitor.marks.job import Marks, annotations_of
from monitor.receivers import open_receivers
from monitor.reports.job import IncidentReports
from monitor.response.announce import Announcer
from monitor.response.bridge import Bridge
from monitor.response.digest import Digests
from monitor.response.escalations import Escalations
from monitor.response.exact_check import ExactChecks
from monitor.response.handle import Responder
from monitor.response.held import HeldNotices
from monitor.response.outbox import Outbox
from monitor.response.plots import Plots
from monitor.response.relabel import Relabelling
from monitor.response.reminders import Reminders
from monitor.response.rollback import Rollbacks
from monitor.response.rules import rules_of
from monitor.response.worker import ActionWorker
from monitor.retraining.hooks.opening import open_hooks
from monitor.retraining.job import Retrainings
from monitor.rollback_targets import rollback_targets
from monitor.schedule.tick import FleetTick
from monitor.services import Services
from monitor.serving.look import ServingLook
from monitor.settings.receivers import ConsoleReceiver, SlackReceiver
from monitor.settings.schema import Settings
from monitor.settings.secrets import read_secret
from monitor.store.tables import TickRow
from monitor.watch.job_log import JobLog
from monitor.watch.watch import Watch
from runbooks.library import Library, load
from vigil.errors import ConfigError

Family = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Works:
    """What runs by the clock, wired together."""

    ticks: FleetTick
    outbox: Outbox
    reminders: Reminders
    actions: ActionWorker
    exact_checks: ExactChecks
    audits: SelfAudits
    reports: IncidentReports
    escalations: Escalations
    held: HeldNotices
    announcer: Announcer
    library: Library
    digests: Digests
    watch: Watch
    job_log: JobLog
    plots: Plots
    retrainings: Retrainings
    quality_gauges: QualityGauges
    canaries: Canaries
    controls: ControlWorker
    serving: ServingLook
    marks: Marks
    labels: LabelReturns
    withdrawals: Withdrawals
    daily_picks: DailyPicks
    label_upkeep: Upkeep


def wire(services: Services, *, holder: str) -> Works:
    """Build everything that the settings ask for.

    Raises:
        ConfigError: a secret that is not there, a kind of alert without a runbook, or windows of
            another length than those that the database counted.
    """
    settings = services.settings
    _check_window_length(services)
    library = load(settings.runbooks)
    library.check(kind.value for kind in AlertKind)
    announcer = Announcer(settings, library)
    window_s = settings.service.window_s
    bridge = Bridge(
        announcer,
        library,
        services.metrics,
        window_s=window_s,
        reopen_within_s=settings.checks.reopen_within_windows * window_s,
        rules=settings.incidents,
    )
    responder = Responder(services, announcer, bridge)
    notifiers = open_receivers(settings)
    notifiers.setdefault("console", ConsoleNotifier("console"))
    silent = {name for name, one in settings.receivers.items() if isinstance(one, ConsoleReceiver)}
    routes, job_log = rules_of(settings).routes, JobLog()
    targets = rollback_targets(settings)
    queues = label_queues(settings)
    return Works(
        ticks=FleetTick(services, responder, holder=holder),
        outbox=Outbox(
            services,
            notifiers,
            silent=frozenset({*silent, "console"}),
            rng=np.random.default_rng(),
        ),
        reminders=Reminders(services, notifiers),
        actions=ActionWorker(
            services,
            Rollbacks(services, announcer, targets, replays(settings)),
            Relabelling(services, announcer, queues),
        ),
        exact_checks=ExactChecks(services),
        audits=SelfAudits(services),
        reports=IncidentReports(services),
        escalations=Escalations(services, announcer),
        held=HeldNotices(services, announcer),
        announcer=announcer,
        library=library,
        digests=Digests(services),
        watch=Watch(
            services,
            announcer,
            library,
            notifiers,
            lambda incident, at: choose(routes, labels_of(incident), at=at).receivers,
            job_log,
        ),
        job_log=job_log,
        plots=Plots(services, plot_uploads(settings)),
        retrainings=Retrainings(services, open_hooks(settings), replays(settings)),
        quality_gauges=QualityGauges(services),
        canaries=Canaries(services, bridge),
        controls=ControlWorker(services, control_targets(settings)),
        serving=ServingLook(services, targets),
        marks=Marks(services, annotations_of(settings)),
        labels=LabelReturns(services, queues),
        withdrawals=Withdrawals(services, queues),
        daily_picks=DailyPicks(services, queues),
        label_upkeep=Upkeep(services),
    )


def plot_uploads(settings: Settings) -> dict[str, SlackUpload]:
    """The way of pictures to each receiver that shows them."""
    return {
        name: SlackUpload(
            token=read_secret(one.token, key=f"receivers.{name}.token").reveal(), url=one.url
        )
        for name, one in settings.receivers.items()
        if isinstance(one, SlackReceiver)
    }


def _check_window_length(services: Services) -> None:
    """Ticks are numbered by the length of a window: with another one none would ever be due."""
    window_s = services.settings.service.window_s
    with services.sessions() as session:
        last = session.execute(
            select(TickRow.id, TickRow.end_at).order_by(TickRow.id.desc()).limit(1)
        ).first()
    if last is None or end_of(last.id, window_s) == last.end_at:
        return
    counted_s = last.end_at.timestamp() / last.id
    raise ConfigError(
        "vigil.toml",
        "service.window_s",
        expected=f"{counted_s:g}, by which this database counts (or a new database)",
        found=f"{window_s:g}",
    )


def replays(settings: Settings) -> dict[Family, Replays]:
    """The replay endpoint or function of each model that has one."""
    clients: dict[Family, Replays] = {}
    for watched in settings.models:
        replay, key = watched.replay, f"models.{watched.name}.replay"
        if replay.function is not None:
            clients[watched.name, watched.deployment] = FunctionReplay(
                replay.function,
                folder=replay.folder,
                timeout_s=replay.timeout_s,
                memory_mb=replay.memory_mb,
                pass_on=replay.pass_on,
            )
            continue
        if replay.url is None:
            continue
        if replay.secret is None:
            raise ConfigError("vigil.toml", f"{key}.secret", expected="a secret", found="none")
        clients[watched.name, watched.deployment] = ReplayClient(
            replay.url,
            read_secret(replay.secret, key=f"{key}.secret").reveal(),
            timeout_s=replay.timeout_s,
        )
    return clients
