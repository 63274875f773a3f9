"""Each kind of rollback target beside its system, seen alike: v2 serves, after v1."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stub_receivers.server import Dialect, ReceiverServer

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.argo_abort import ArgoAbort
from alerts.actions.targets.argo_undo import ArgoUndo
from alerts.actions.targets.command import CommandTarget
from alerts.actions.targets.deployment import DeploymentTarget
from alerts.actions.targets.kserve import KserveTarget
from alerts.actions.targets.kubernetes_api import KubernetesApi
from alerts.actions.targets.mlflow import MlflowAlias
from alerts.actions.targets.pod_template import VersionPlace
from alerts.actions.targets.protocol import RollbackTarget
from alerts.actions.targets.registry import LocalRegistry
from alerts.actions.targets.system_http import SystemHttp
from alerts.actions.targets.triton import TritonTarget
from alerts.actions.targets.version_names import NumberedName
from alerts.actions.targets.webhook import SignedWebhook
from monitor.standins.pipeline import PipelineStandIn
from stub_targets import deploy
from stub_targets.controllers import (
    LABEL,
    NAME,
    DeploymentController,
    KserveController,
    RolloutController,
)
from stub_targets.kubernetes import KubernetesStub
from stub_targets.mlflow import MlflowStub
from stub_targets.triton import TritonStub
from vigil.clock import SystemClock

MARK = "MarkedSecret0123456789abcdefghij"
PLACE = VersionPlace.parse(f"label:{LABEL}")
FAMILY = NAME, "production"


def nothing() -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Rig:
    """Args:
    open: the target, given the URL of its system and a time limit.
    release: someone lets a version serve.
    changes: how often what serves was changed by a target.
    gone: what serves is not there any more.
    settle: controllers bring to its end what was asked for.
    server: the system over HTTP, where it is one.
    tells: whether the target can tell which version serves.
    """

    kind: str
    open: Callable[[str, float], Any]
    release: Callable[[str], None]
    changes: Callable[[], int]
    gone: Callable[[], None]
    settle: Callable[[], None] = nothing
    server: ReceiverServer | None = None
    tells: bool = True
    stub: Any = field(default=None)

    @contextmanager
    def running(self, *, timeout_s: float = 5.0) -> Iterator[RollbackTarget]:
        """The target, with its system there."""
        if self.server is None:
            yield self.open("", timeout_s)
            return
        with self.server.running() as url:
            target = self.open(url, timeout_s)
            try:
                yield target
            finally:
                target.close()


def _http(kind: str, url: str, timeout_s: float) -> SystemHttp:
    return SystemHttp(kind, url, token=lambda: MARK, timeout_s=timeout_s)


def _registry(folder: Path) -> Rig:
    registry = LocalRegistry(folder / "registry.json")

    def release(version: str) -> None:
        registry.promote(*FAMILY, version, "kim")

    for version in ("v1", "v2"):
        release(version)
    return Rig(
        kind="registry",
        open=lambda url, timeout_s: registry,
        release=release,
        changes=lambda: sum(1 for one in registry.history(*FAMILY) if one.plan_id),
        gone=registry.path.unlink,
    )


def _webhook(folder: Path) -> Rig:
    del folder
    changed: list[str] = []
    standin = PipelineStandIn(SystemClock(), secret=MARK)

    def release(version: str) -> None:
        standin.promote(*FAMILY, version)

    def dialect(request: Any) -> Any:
        before = standin.serving(*FAMILY)
        reply = standin.answer(request)
        if standin.serving(*FAMILY) != before:
            changed.append("once")
        return reply

    for version in ("v1", "v2"):
        release(version)
    return Rig(
        kind="webhook",
        open=lambda url, timeout_s: SignedWebhook(f"{url}/hook", MARK, timeout_s=timeout_s),
        release=release,
        changes=lambda: len(changed),
        gone=lambda: release("nothing"),
        server=ReceiverServer(dialect),
        tells=False,
        stub=standin,
    )


def _command(folder: Path) -> Rig:
    file = folder / "state.json"
    file.write_text(json.dumps({"history": ["v1", "v2"], "plans": []}))
    argv = (sys.executable, "-S", "-E", str(Path(deploy.__file__)), str(file))

    def release(version: str) -> None:
        state = json.loads(file.read_text())
        file.write_text(json.dumps({**state, "history": [*state["history"], version]}))

    return Rig(
        kind="command",
        open=lambda url, timeout_s: CommandTarget(argv, timeout_s=timeout_s),
        release=release,
        changes=lambda: len(json.loads(file.read_text())["plans"]),
        gone=file.unlink,
        tells=False,
    )


def _mlflow(folder: Path) -> Rig:
    del folder
    stub = MlflowStub(MARK)

    def release(version: str) -> None:
        stub.register(NAME, version[1:])
        stub.models[NAME]["aliases"]["champion"] = version[1:]

    for version in ("v1", "v2"):
        release(version)
    names = NumberedName.parse("v{number}")
    return _over(
        "mlflow",
        stub,
        lambda url, s: MlflowAlias(_http("mlflow", url, s), NAME, "champion", names),
        release=release,
        changes=lambda: len(stub.pointed),
        gone=stub.models.clear,
    )


def _triton(folder: Path) -> Rig:
    del folder
    stub = TritonStub(MARK, NAME)
    for version in (1, 2):
        stub.release(version)
    names = NumberedName.parse("v{number}")

    def gone() -> None:
        stub.held.clear()
        stub.states.clear()

    return _over(
        "triton",
        stub,
        lambda url, s: TritonTarget(_http("triton", url, s), NAME, names),
        release=lambda version: stub.release(int(version[1:])),
        changes=lambda: len(stub.loads),
        gone=gone,
    )


def _in_cluster(kind: str, target: Any, controller: Any, plural: str, **options: Any) -> Rig:
    api = KubernetesStub(MARK)
    one = controller(api, **options)

    def release(version: str) -> None:
        one.release(version)
        one.settle()

    release("v2")

    return _over(
        kind,
        api,
        lambda url, s: target(KubernetesApi(_http(kind, url, s), api.namespace), NAME, PLACE),
        release=release,
        changes=lambda: len(api.changed),
        gone=lambda: api.objects.pop((plural, NAME)),
        settle=one.settle,
    )


def _over(kind: str, stub: Dialect, open: Callable[[str, float], Any], **rest: Any) -> Rig:
    return Rig(kind=kind, server=ReceiverServer(stub), open=open, stub=stub, **rest)


_MAKERS: dict[str, Callable[[Path], Rig]] = {
    "registry": _registry,
    "webhook": _webhook,
    "command": _command,
    "mlflow": _mlflow,
    "triton": _triton,
    "deployment": lambda folder: _in_cluster(
        "deployment", DeploymentTarget, DeploymentController, "deployments"
    ),
    "argo-undo": lambda folder: _in_cluster("argo-undo", ArgoUndo, RolloutController, "rollouts"),
    "argo-abort": lambda folder: _in_cluster(
        "argo-abort", ArgoAbort, RolloutController, "rollouts", canary=True
    ),
    "kserve": lambda folder: _in_cluster(
        "kserve", KserveTarget, KserveController, "inferenceservices"
    ),
}
KINDS = tuple(_MAKERS)
OVER_HTTP = tuple(kind for kind in KINDS if kind not in ("registry", "command"))
SYSTEMS = tuple(kind for kind in OVER_HTTP if kind != "webhook")


def rig(kind: str, folder: Path) -> Rig:
    return _MAKERS[kind](folder)


def requests_of(kind: str, folder: Path, plan: RollbackPlan, ask: str) -> int:
    """How many requests it takes to ask that."""
    made = rig(kind, folder)
    assert made.server is not None
    with made.running() as target:
        getattr(target, ask)(plan)
    return len(made.server.seen)
