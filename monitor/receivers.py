"""The receivers of the settings, with their secrets read."""

from __future__ import annotations

from alerts.notifiers.console import ConsoleNotifier
from alerts.notifiers.pagerduty import PagerDutyNotifier
from alerts.notifiers.protocol import Notifier
from alerts.notifiers.slack import SlackNotifier
from monitor.settings.fields import SecretRef
from monitor.settings.receivers import ConsoleReceiver, PagerDutyReceiver, SlackReceiver
from monitor.settings.schema import Settings
from monitor.settings.secrets import read_secret


def open_receivers(settings: Settings) -> dict[str, Notifier]:
    """Name -> notifier of every receiver.

    Raises:
        ConfigError: a secret that is not where the settings say.
    """
    found: dict[str, Notifier] = {}
    for name, receiver in settings.receivers.items():
        key = f"receivers.{name}"
        if isinstance(receiver, ConsoleReceiver):
            found[name] = ConsoleNotifier(name)
        elif isinstance(receiver, SlackReceiver):
            found[name] = SlackNotifier(
                name,
                token=read_secret(receiver.token, key=f"{key}.token").reveal(),
                channel=receiver.channel,
                url=receiver.url,
                interactive=_is_given(receiver.signing_secret, key=f"{key}.signing_secret"),
            )
        elif isinstance(receiver, PagerDutyReceiver):
            _is_given(receiver.webhook_secret, key=f"{key}.webhook_secret")
            found[name] = PagerDutyNotifier(
                name,
                routing_key=read_secret(receiver.routing_key, key=f"{key}.routing_key").reveal(),
                url=receiver.url,
            )
    return found


def _is_given(ref: SecretRef | None, *, key: str) -> bool:
    """Whether the settings name a secret, which then must be there: it is read at each use."""
    return ref is not None and bool(read_secret(ref, key=key).reveal())
