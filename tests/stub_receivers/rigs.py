"""Each kind of notifier over HTTP beside the stub of its API, seen alike."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from alerts.actions.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, refusal
from alerts.notifiers.alertmanager import AlertmanagerNotifier
from alerts.notifiers.jira import JiraNotifier
from alerts.notifiers.jsm import JsmNotifier
from alerts.notifiers.pagerduty import PagerDutyNotifier
from alerts.notifiers.parts import header
from alerts.notifiers.protocol import Notifier
from alerts.notifiers.servicenow import ServiceNowNotifier
from alerts.notifiers.slack import SlackNotifier
from alerts.notifiers.slack_webhook import SlackWebhookNotifier
from alerts.notifiers.teams import TeamsNotifier
from alerts.notifiers.webhook import WebhookNotifier
from monitor.standins.pagerduty import PagerDutyStandIn
from monitor.standins.reply import Reply, Request
from monitor.standins.slack import SlackStandIn
from stub_receivers.dialects import Alertmanager, Jsm, ServiceNow, Shown, SlackWebhook, Teams
from stub_receivers.jira import Jira
from stub_receivers.server import Dialect, ReceiverServer
from vigil.clock import SystemClock

MARK = "MarkedSecret0123456789abcdefghij"
"""Every secret: as long as a routing key, and nowhere else in the world."""

USER = "vigil@example.org"


@dataclass(frozen=True, kw_only=True)
class Rig:
    """``shown`` counts what people see; ``refused`` tells what the API turned down."""

    kind: str
    server: ReceiverServer
    open: Callable[[str, float], Notifier]
    shown: Callable[[], int]
    refused: Callable[[], object]

    @contextmanager
    def running(self, *, timeout_s: float = 5.0) -> Iterator[Notifier]:
        """The notifier, with its API there."""
        with self.server.running() as url:
            notifier = self.open(url, timeout_s)
            yield notifier
            close = getattr(notifier, "close", None)
            if close is not None:
                close()


class Endpoint(Shown):
    """The user's own: checks the signature, shows whatever comes."""

    def take(self, request: Request) -> Reply:
        timestamp, signature = (request.header(n) for n in (TIMESTAMP_HEADER, SIGNATURE_HEADER))
        now_s = SystemClock().now().timestamp()
        wrong = refusal(MARK, timestamp, signature, request.body, now_s=now_s)
        assert wrong is None, wrong
        body = json.loads(request.body)
        assert header(body["id"]) == request.header("X-Vigil-Id")
        self.shown.append(body["id"])
        return Reply(status=204)


def _over(kind: str, dialect: Shown, open: Callable[[str, float], Notifier]) -> Rig:
    return Rig(
        kind=kind,
        server=ReceiverServer(dialect),
        open=open,
        shown=lambda: len(dialect.shown),
        refused=lambda: dialect.refused,
    )


def _slack() -> Rig:
    standin = SlackStandIn(SystemClock(), token=f"xoxb-{MARK}")

    def shown() -> int:
        return sum(1 + len(root.replies) for root in standin.messages)

    def dialect(request: Request) -> Reply:
        return standin.answer(request, request.path.removeprefix("/api/"))

    return Rig(
        kind="slack",
        server=ReceiverServer(dialect),
        open=lambda url, timeout_s: SlackNotifier(
            "r", token=f"xoxb-{MARK}", channel="C0METERREAD", url=f"{url}/api/", timeout_s=timeout_s
        ),
        shown=shown,
        refused=lambda: standin.refused,
    )


def _pagerduty() -> Rig:
    standin = PagerDutyStandIn(SystemClock(), routing_key=MARK)
    dialect: Dialect = lambda request: standin.answer(request, request.path)  # noqa: E731
    return Rig(
        kind="pagerduty",
        server=ReceiverServer(dialect),
        open=lambda url, timeout_s: PagerDutyNotifier(
            "r", routing_key=MARK, url=url, timeout_s=timeout_s
        ),
        shown=lambda: len(standin.incidents),
        refused=lambda: standin.refused,
    )


_MAKERS: dict[str, Callable[[], Rig]] = {
    "slack": _slack,
    "pagerduty": _pagerduty,
    "slack-webhook": lambda: _over(
        "slack-webhook",
        SlackWebhook(),
        lambda url, s: SlackWebhookNotifier("r", url=f"{url}/services/T0/{MARK}", timeout_s=s),
    ),
    "teams": lambda: _over(
        "teams",
        Teams(),
        lambda url, s: TeamsNotifier("r", url=f"{url}/workflows/x?sig={MARK}", timeout_s=s),
    ),
    "alertmanager": lambda: _over(
        "alertmanager",
        Alertmanager(),
        lambda url, s: AlertmanagerNotifier("r", url=url, token=MARK, timeout_s=s),
    ),
    "jsm": lambda: _over(
        "jsm", Jsm(MARK), lambda url, s: JsmNotifier("r", key=MARK, url=f"{url}/v2", timeout_s=s)
    ),
    "jira": lambda: _over(
        "jira",
        Jira(USER, MARK),
        lambda url, s: JiraNotifier(
            "r", url=url, user=USER, token=MARK, project="OPS", timeout_s=s
        ),
    ),
    "servicenow": lambda: _over(
        "servicenow",
        ServiceNow(USER, MARK),
        lambda url, s: ServiceNowNotifier("r", url=url, user=USER, password=MARK, timeout_s=s),
    ),
    "webhook": lambda: _over(
        "webhook",
        Endpoint(),
        lambda url, s: WebhookNotifier("r", url=f"{url}/hook", secret=MARK, timeout_s=s),
    ),
}
KINDS = tuple(_MAKERS)


def rig(kind: str) -> Rig:
    return _MAKERS[kind]()


def secrets() -> tuple[str, ...]:
    """The mark in every form in which it is sent, and the pieces that a cut would leave."""
    return MARK, MARK[:12], MARK[-12:], base64.b64encode(f"{USER}:{MARK}".encode()).decode()[:40]
