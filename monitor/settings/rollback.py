"""Settings of a model's rollback: its target, its guard, and where images are replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from monitor.settings.fields import HttpAddress, Seconds, SecretRef, Section, Switch, Wait


class Rollback(Section):
    target: Literal["none", "registry", "webhook"] = "none"
    registry: Path | None = None
    url: HttpAddress | None = None
    secret: SecretRef | None = None
    automatic: Switch = False
    dry_run: Switch = False
    cooldown_s: Wait = 3600.0
    max_per_day: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 3
    approval_expires_s: Seconds = 3600.0


class Replay(Section):
    url: HttpAddress | None = None
    secret: SecretRef | None = None
    timeout_s: Seconds = 10.0
