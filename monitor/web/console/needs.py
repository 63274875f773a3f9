"""What the console needs of the running service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from monitor.settings.schema import Settings
from monitor.store.database import Sessions
from monitor.store.samples import SampleStore
from vigil.catalogue import base_of, signal_of
from vigil.clock import Clock


class ConsoleServices(Protocol):
    @property
    def settings(self) -> Settings: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def samples(self) -> SampleStore: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One model in one deployment, with what its pages need of the settings."""

    model: str
    deployment: str
    owner: str
    class_names: tuple[str, ...]
    tolerances: Mapping[str, float]

    def tolerance(self, signal: str) -> float:
        signal = base_of(signal)
        known = signal_of(signal)
        return self.tolerances.get(signal, known.tolerance if known else 0.0)


def target_of(settings: Settings, model: str, deployment: str) -> Target:
    """What the settings say of a model; one that they do not name is shown with defaults."""
    watched = settings.model(model, deployment)
    return Target(
        model=model,
        deployment=deployment,
        owner=watched.owner if watched else "",
        class_names=watched.class_names if watched else (),
        tolerances=watched.tolerance if watched else {},
    )
