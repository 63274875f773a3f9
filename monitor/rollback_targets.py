"""The rollback targets of the settings, with their secrets read."""

from __future__ import annotations

from collections.abc import Callable

from alerts.actions.targets.argo_abort import ArgoAbort
from alerts.actions.targets.argo_undo import ArgoUndo
from alerts.actions.targets.command import CommandTarget
from alerts.actions.targets.deployment import DeploymentTarget
from alerts.actions.targets.kserve import KserveTarget
from alerts.actions.targets.kubernetes_api import KubernetesApi
from alerts.actions.targets.kubernetes_object import ObjectTarget
from alerts.actions.targets.mlflow import MlflowAlias
from alerts.actions.targets.pod_template import VersionPlace
from alerts.actions.targets.protocol import RollbackTarget
from alerts.actions.targets.registry import LocalRegistry
from alerts.actions.targets.system_http import SystemHttp
from alerts.actions.targets.triton import TritonTarget
from alerts.actions.targets.version_names import NumberedName
from alerts.actions.targets.webhook import SignedWebhook
from monitor.settings.fields import SecretRef
from monitor.settings.rollback import NEEDED, Api, Kubernetes, Rollback, Target
from monitor.settings.schema import Settings
from monitor.settings.secrets import read_secret
from vigil.errors import ConfigError

Family = tuple[str, str]


def rollback_targets(settings: Settings) -> dict[Family, RollbackTarget]:
    """The target of each model that has one.

    Raises:
        ConfigError: something that the target needs is not there.
    """
    targets = {}
    for watched in settings.models:
        if watched.rollback.target != "none":
            key = f"models.{watched.name}.rollback"
            targets[watched.name, watched.deployment] = open_target(watched.rollback, key)
    return targets


def open_target(rules: Rollback, key: str) -> RollbackTarget:
    """The target that ``rules`` name, ready for use; nothing is asked of it yet.

    Args:
        key: of the rules in the settings, for errors.

    Raises:
        ConfigError: something that it needs is not there.
    """
    for name in NEEDED[rules.target]:
        if getattr(rules, name) is None:
            raise ConfigError("vigil.toml", f"{key}.{name}", expected="a value", found="none")
    return _OPENERS[rules.target](rules, key)


def _registry(rules: Rollback, key: str) -> RollbackTarget:
    assert rules.registry is not None
    return LocalRegistry(rules.registry)


def _webhook(rules: Rollback, key: str) -> RollbackTarget:
    assert rules.url is not None
    assert rules.secret is not None
    return SignedWebhook(rules.url, read_secret(rules.secret, key=f"{key}.secret").reveal())


def _mlflow(rules: Rollback, key: str) -> RollbackTarget:
    said = rules.mlflow
    assert said is not None
    http = _http("mlflow", said, f"{key}.mlflow", user=said.user)
    return MlflowAlias(http, said.model, said.alias, NumberedName.parse(said.versions))


def _triton(rules: Rollback, key: str) -> RollbackTarget:
    said = rules.triton
    assert said is not None
    http = _http("triton", said, f"{key}.triton")
    return TritonTarget(http, said.model, NumberedName.parse(said.versions))


def _command(rules: Rollback, key: str) -> RollbackTarget:
    said = rules.command
    assert said is not None
    return CommandTarget(said.argv, timeout_s=said.timeout_s, pass_on=said.pass_on)


def _in_cluster(
    target: type[ObjectTarget],
) -> Callable[[Rollback, str], RollbackTarget]:
    def opened(rules: Rollback, key: str) -> RollbackTarget:
        said: Kubernetes | None = rules.kubernetes
        assert said is not None
        http = _http(rules.target, said, f"{key}.kubernetes")
        api = KubernetesApi(http, said.namespace)
        return target(api, said.name, VersionPlace.parse(said.version_at))

    return opened


_OPENERS: dict[Target, Callable[[Rollback, str], RollbackTarget]] = {
    "registry": _registry,
    "webhook": _webhook,
    "mlflow": _mlflow,
    "deployment": _in_cluster(DeploymentTarget),
    "argo-undo": _in_cluster(ArgoUndo),
    "argo-abort": _in_cluster(ArgoAbort),
    "kserve": _in_cluster(KserveTarget),
    "triton": _triton,
    "command": _command,
}


def _http(kind: str, said: Api, key: str, *, user: str = "") -> SystemHttp:
    """Raises:
    ConfigError: the token is not there. Later it is read again for each request.
    """
    token = None if said.token is None else _reader(said.token, f"{key}.token")
    if token is not None:
        token()
    return SystemHttp(
        kind,
        said.url,
        token=token,
        user=user,
        ca_file=said.ca_file,
        timeout_s=said.timeout_s,
    )


def _reader(ref: SecretRef, key: str) -> Callable[[], str]:
    return lambda: read_secret(ref, key=key).reveal()
