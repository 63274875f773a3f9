"""The hook of each model, as the settings name it."""

from __future__ import annotations

from monitor.retraining.hooks.airflow import AirflowHook
from monitor.retraining.hooks.argo import ArgoHook
from monitor.retraining.hooks.github import API, GitHubHook
from monitor.retraining.hooks.protocol import RetrainingHook
from monitor.retraining.hooks.webhook import WebhookHook
from monitor.settings.schema import Settings, WatchedModel
from monitor.settings.secrets import read_secret
from vigil.errors import ConfigError


def open_hooks(settings: Settings) -> dict[tuple[str, str], RetrainingHook]:
    """By model and deployment; those that train by hand have none.

    Raises:
        ConfigError: a key that the hook needs is missing, or a secret is not there.
    """
    return {
        (watched.name, watched.deployment): _open(watched)
        for watched in settings.models
        if watched.retraining.hook != "none"
    }


def _open(watched: WatchedModel) -> RetrainingHook:
    rules, key = watched.retraining, f"models.{watched.name}.retraining"
    for name in rules.needed:
        if getattr(rules, name) is None:
            raise ConfigError("vigil.toml", f"{key}.{name}", expected="a value", found="none")
    assert rules.secret is not None
    secret = read_secret(rules.secret, key=f"{key}.secret").reveal()
    url = rules.url or API
    if rules.hook == "webhook":
        return WebhookHook(url, secret)
    if rules.hook == "github":
        return GitHubHook(
            repository=rules.repository or "",
            workflow=rules.workflow or "",
            ref=rules.ref,
            token=secret,
            url=url,
        )
    if rules.hook == "airflow":
        return AirflowHook(url, dag=rules.dag or "", secret=secret, user=rules.user)
    return ArgoHook(url, namespace=rules.namespace, template=rules.template or "", token=secret)
