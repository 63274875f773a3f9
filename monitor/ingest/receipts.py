"""What a sender is told about each window and each label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What became of one window. ``duplicate``: it had come before, and counts once."""

    source: str
    boot: str
    sequence: int
    status: Literal["accepted", "duplicate", "rejected"]
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelIn:
    """A label for a record; with ``prediction`` it carries what was predicted itself.

    A label that carries its prediction also states ``model``, ``version``, ``confidence`` and,
    where the model has keys, ``metadata``; then no ledger is needed. ``also``: other names that the
    record may have left under.
    """

    id: str
    label: int
    author: str = ""
    model: str | None = None
    version: str | None = None
    deployment: str = "production"
    prediction: int | None = None
    confidence: float | None = None
    metadata: dict[str, str] | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelReceipt:
    """What became of one label."""

    id: str
    status: Literal["accepted", "duplicate", "rejected"]
    reason: str = ""
