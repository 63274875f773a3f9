"""The receivers of the settings, with their secrets read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from alerts.notifiers.alertmanager import AlertmanagerNotifier
from alerts.notifiers.console import ConsoleNotifier
from alerts.notifiers.email import EmailNotifier
from alerts.notifiers.jira import JiraNotifier
from alerts.notifiers.jsm import JsmNotifier
from alerts.notifiers.pagerduty import PagerDutyNotifier
from alerts.notifiers.protocol import Guarantee, Notifier
from alerts.notifiers.servicenow import ServiceNowNotifier
from alerts.notifiers.slack import SlackNotifier
from alerts.notifiers.slack_webhook import SlackWebhookNotifier
from alerts.notifiers.teams import TeamsNotifier
from alerts.notifiers.webhook import WebhookNotifier
from monitor.settings import receivers as sections
from monitor.settings.addresses import is_private_way
from monitor.settings.receivers import ReceiverSection
from monitor.settings.schema import Settings
from monitor.settings.secrets import read_secret
from vigil.errors import ConfigError

Opener = Callable[["Place", Any], Notifier]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a receiver stands in the settings: it reads secrets, and names what is wrong."""

    name: str
    section: ReceiverSection

    def secret(self, field: str) -> str:
        """The secret that ``field`` names; empty where the setting is left out.

        Raises:
            ConfigError: it is not there, or no header can hold it.
        """
        ref = getattr(self.section, field)
        if ref is None:
            return ""
        text = read_secret(ref, key=f"receivers.{self.name}.{field}").reveal()
        if not text.isprintable() or not text.isascii():
            raise self.wrong(field, "a secret of visible ASCII characters")
        return text

    def secret_url(self, field: str) -> str:
        """Raises:
        ConfigError: it is not there, or not an address that keeps a secret on its way.
        """
        url = self.secret(field)
        self._checked_way(field, url)
        return url

    def guarded_url(self, field: str) -> str:
        """The address in ``field``, to which a password goes.

        Raises:
            ConfigError: it would be sent in the clear.
        """
        url = str(getattr(self.section, field))
        self._checked_way(field, url)
        return url

    def _checked_way(self, field: str, url: str) -> None:
        if not is_private_way(url):
            raise self.wrong(field, "an https address (http only to this machine)")

    def wrong(self, field: str, expected: str) -> ConfigError:
        return ConfigError(
            "vigil.toml",
            f"receivers.{self.name}.{field}",
            expected=expected,
            found="something else (not shown: it may be a secret)",
        )


def _console(place: Place, section: sections.ConsoleReceiver) -> Notifier:
    del section
    return ConsoleNotifier(place.name)


def _slack(place: Place, section: sections.SlackReceiver) -> Notifier:
    return SlackNotifier(
        place.name,
        token=place.secret("token"),
        channel=section.channel,
        url=section.url,
        interactive=bool(place.secret("signing_secret")),
    )


def _slack_webhook(place: Place, section: sections.SlackWebhookReceiver) -> Notifier:
    del section
    return SlackWebhookNotifier(place.name, url=place.secret_url("url"))


def _pagerduty(place: Place, section: sections.PagerDutyReceiver) -> Notifier:
    place.secret("webhook_secret")  # read at each webhook; a wrong one is noticed at the start
    return PagerDutyNotifier(place.name, routing_key=place.secret("routing_key"), url=section.url)


def _alertmanager(place: Place, section: sections.AlertmanagerReceiver) -> Notifier:
    return AlertmanagerNotifier(place.name, url=section.url, token=place.secret("token") or None)


def _teams(place: Place, section: sections.TeamsReceiver) -> Notifier:
    del section
    return TeamsNotifier(place.name, url=place.secret_url("url"))


def _jsm(place: Place, section: sections.JsmReceiver) -> Notifier:
    del section
    return JsmNotifier(place.name, key=place.secret("key"), url=place.guarded_url("url"))


def _jira(place: Place, section: sections.JiraReceiver) -> Notifier:
    return JiraNotifier(
        place.name,
        url=place.guarded_url("url"),
        user=section.user,
        token=place.secret("token"),
        project=section.project,
        issue_type=section.issue_type,
        done=section.done,
    )


def _servicenow(place: Place, section: sections.ServiceNowReceiver) -> Notifier:
    return ServiceNowNotifier(
        place.name,
        url=place.guarded_url("url"),
        user=section.user,
        password=place.secret("password"),
    )


def _email(place: Place, section: sections.EmailReceiver) -> Notifier:
    for field, addresses in (("sender", (section.sender,)), ("to", section.to)):
        for address in addresses:
            mailbox = parseaddr(address)[1]
            if not address.isprintable() or not mailbox.isascii() or "@" not in mailbox[1:-1]:
                raise ConfigError(
                    "vigil.toml",
                    f"receivers.{place.name}.{field}",
                    expected="addresses such as oncall@example.org",
                    found=repr(address),
                )
    in_the_clear = section.security == "none" and not is_private_way(f"http://{section.host}")
    if section.password and in_the_clear:
        raise place.wrong("security", "starttls or tls, because there is a password")
    return EmailNotifier(
        place.name,
        host=section.host,
        port=section.port,
        security=section.security,
        sender=section.sender,
        to=section.to,
        user=section.user,
        password=place.secret("password"),
    )


def _webhook(place: Place, section: sections.WebhookReceiver) -> Notifier:
    return WebhookNotifier(place.name, url=section.url, secret=place.secret("secret"))


_KINDS: dict[type[ReceiverSection], tuple[Opener, Guarantee]] = {
    sections.ConsoleReceiver: (_console, ConsoleNotifier.guarantee),
    sections.SlackReceiver: (_slack, SlackNotifier.guarantee),
    sections.SlackWebhookReceiver: (_slack_webhook, SlackWebhookNotifier.guarantee),
    sections.PagerDutyReceiver: (_pagerduty, PagerDutyNotifier.guarantee),
    sections.AlertmanagerReceiver: (_alertmanager, AlertmanagerNotifier.guarantee),
    sections.TeamsReceiver: (_teams, TeamsNotifier.guarantee),
    sections.JsmReceiver: (_jsm, JsmNotifier.guarantee),
    sections.JiraReceiver: (_jira, JiraNotifier.guarantee),
    sections.ServiceNowReceiver: (_servicenow, ServiceNowNotifier.guarantee),
    sections.EmailReceiver: (_email, EmailNotifier.guarantee),
    sections.WebhookReceiver: (_webhook, WebhookNotifier.guarantee),
}


def open_receiver(name: str, section: ReceiverSection) -> Notifier:
    """Raises:
    ConfigError: a secret that is not where the settings say, or that can't be used.
    """
    opener, _ = _KINDS[type(section)]
    return opener(Place(name=name, section=section), section)


def open_receivers(settings: Settings) -> dict[str, Notifier]:
    """Name -> notifier of every receiver.

    Raises:
        ConfigError: a secret that is not where the settings say, or that can't be used.
    """
    return {name: open_receiver(name, section) for name, section in settings.receivers.items()}


def guarantee_of(section: ReceiverSection) -> Guarantee:
    """What keeps a message from arriving twice there."""
    return _KINDS[type(section)][1]
