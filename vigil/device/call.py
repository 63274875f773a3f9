"""A call of ``record`` whose tensors stay on their device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DeviceCall:
    """What the host knows of n inferences; their tensors lie in a block.

    ``arguments``: of ``vigil.measuring.batch.make_batch``, without images, embeddings and outputs.
    """

    ids: Sequence[str]
    first: int
    custom_ids: bool
    time_s: float
    version: str
    arguments: dict[str, Any]
