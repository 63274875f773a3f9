"""The control targets of the settings, with their secrets read."""

from __future__ import annotations

from alerts.actions.targets.webhook import SignedWebhook
from monitor.controls.targets import (
    CommandTarget,
    ControlTarget,
    FileTarget,
    NotTold,
    Values,
    WebhookTarget,
)
from monitor.settings.controls import NEEDED, Controls
from monitor.settings.schema import Settings
from monitor.settings.secrets import read_secret
from vigil.errors import ConfigError

Family = tuple[str, str]


def control_targets(settings: Settings) -> dict[Family, ControlTarget]:
    """The target of each model that has one.

    Raises:
        ConfigError: something that the target needs is not there.
    """
    found = {}
    for watched in settings.models:
        if watched.controls.target != "none":
            key = f"models.{watched.name}.controls"
            found[watched.name, watched.deployment] = open_target(watched.controls, key)
    return found


def open_target(rules: Controls, key: str) -> ControlTarget:
    """The target that ``rules`` name; ``key`` of the rules, for errors. Raises as above."""
    for name in NEEDED[rules.target]:
        if getattr(rules, name) is None:
            raise ConfigError("vigil.toml", f"{key}.{name}", expected="a value", found="none")
    if rules.target == "webhook":
        assert rules.url is not None
        assert rules.secret is not None
        secret = read_secret(rules.secret, key=f"{key}.secret").reveal()
        return WebhookTarget(SignedWebhook(rules.url, secret))
    if rules.target == "command":
        assert rules.command is not None
        command = rules.command
        return CommandTarget(command.argv, timeout_s=command.timeout_s, pass_on=command.pass_on)
    assert rules.file is not None
    return FileTarget(rules.file)


def values_of(settings: Settings, model: str, deployment: str) -> Values | None:
    """What tells how the controls of a model stand; None where it has no target for them."""
    watched = settings.model(model, deployment)
    if watched is None or watched.controls.target == "none":
        return None
    file = watched.controls.file
    return FileTarget(file) if watched.controls.target == "file" and file else NotTold()
