"""What a proxy records of which model, in values that travel to the process that records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from monitor.proxy.tensor_use import TensorUse


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """One model as the server names it, and what goes into its records.

    * ``served_name``: the model's name in the server; other models pass unrecorded.
    * ``tensors``: which tensors are what.
    * ``version_name``: what a version that the server numbers is called, ``{version}`` in it.
    * ``headers``: header -> metadata key; ``parameters``: request parameters taken as metadata.
    * ``own_ids``: number the records ourselves, also where a request has an id.
    * ``hardware_signals``: readings of host and GPU go along as signals.
    * ``privacy``: what may leave of its records, as ``privacy_options`` reads it.
    * ``tap``: further arguments of ``vigil.Tap``.
    """

    served_name: str
    tensors: tuple[TensorUse, ...] = ()
    version_name: str = "{version}"
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    own_ids: bool = False
    hardware_signals: bool = False
    privacy: Mapping[str, Any] = field(default_factory=dict)
    tap: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that the recording process needs.

    ``recorded``: the models, each by a name of its own in the server.
    ``triton_metrics``: the URL of the server's own metrics, "" where there are none to fold in.
    ``pair_wait_s``: how long a CloudEvent waits for its other half.
    """

    recorded: tuple[Recorded, ...]
    triton_metrics: str = ""
    pair_wait_s: float = 30.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        plain = json.loads(text)
        recorded = tuple(_recorded(one) for one in plain.pop("recorded"))
        return cls(recorded=recorded, **plain)


def _recorded(plain: dict[str, Any]) -> Recorded:
    tensors = tuple(TensorUse(**one) for one in plain.pop("tensors"))
    parameters = tuple(plain.pop("parameters"))
    return Recorded(tensors=tensors, parameters=parameters, **plain)
