"""Settings of a model's rollback: its target, its guard, and where images are replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from alerts.actions.targets.pod_template import VersionPlace
from alerts.actions.targets.version_names import NumberedName
from monitor.settings.fields import (
    HttpAddress,
    Seconds,
    SecretRef,
    Section,
    Switch,
    Text,
    Variable,
    Wait,
)


def _numbered(text: str) -> str:
    """Raises:
    PydanticCustomError: no name of numbered versions.
    """
    try:
        NumberedName.parse(text)
    except ValueError:
        raise PydanticCustomError("versions", "{number}, or a name around it") from None
    return text


def _placed(text: str) -> str:
    """Raises:
    PydanticCustomError: no place where a pod says its version.
    """
    try:
        VersionPlace.parse(text)
    except ValueError:
        told = "label:KEY, annotation:KEY, env:NAME or image:CONTAINER"
        raise PydanticCustomError("version_at", told) from None
    return text


Numbered = Annotated[str, AfterValidator(_numbered)]
Placed = Annotated[str, AfterValidator(_placed)]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class Api(Section):
    """How the API of a system is reached."""

    url: HttpAddress
    token: SecretRef | None = None
    ca_file: Path | None = None
    timeout_s: Seconds = 10.0


class Mlflow(Api):
    model: Text
    alias: Text = "champion"
    versions: Numbered = "{number}"
    user: str = ""


class Kubernetes(Api):
    url: HttpAddress = "https://kubernetes.default.svc"
    namespace: ObjectName = "default"
    name: ObjectName
    version_at: Placed = "label:app.kubernetes.io/version"


class Triton(Api):
    model: Text
    versions: Numbered = "{number}"
    timeout_s: Seconds = 120.0


class Command(Section):
    argv: Annotated[tuple[Text, ...], Field(min_length=1)]
    pass_on: tuple[Variable, ...] = ()
    timeout_s: Seconds = 60.0


Target = Literal[
    "none",
    "registry",
    "webhook",
    "mlflow",
    "deployment",
    "argo-undo",
    "argo-abort",
    "kserve",
    "triton",
    "command",
]

NEEDED: dict[Target, tuple[str, ...]] = {
    "none": (),
    "registry": ("registry",),
    "webhook": ("url", "secret"),
    "mlflow": ("mlflow",),
    "deployment": ("kubernetes",),
    "argo-undo": ("kubernetes",),
    "argo-abort": ("kubernetes",),
    "kserve": ("kubernetes",),
    "triton": ("triton",),
    "command": ("command",),
}
"""What must be there for each target."""


class Rollback(Section):
    target: Target = "none"
    registry: Path | None = None
    url: HttpAddress | None = None
    secret: SecretRef | None = None
    mlflow: Mlflow | None = None
    kubernetes: Kubernetes | None = None
    triton: Triton | None = None
    command: Command | None = None
    automatic: Switch = False
    dry_run: Switch = False
    cooldown_s: Wait = 3600.0
    max_per_day: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 3
    approval_expires_s: Seconds = 3600.0


class Replay(Section):
    """An endpoint beside the model, or a function of ours in a process of its own; not both."""

    url: HttpAddress | None = None
    secret: SecretRef | None = None
    timeout_s: Seconds = 10.0
    function: Annotated[
        str | None, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", max_length=300)
    ] = None
    folder: Path | None = None
    memory_mb: Annotated[int, Field(ge=64, le=10_000_000, strict=True)] = 4096
    pass_on: tuple[Variable, ...] = ()
