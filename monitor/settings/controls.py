"""Settings of a model's softer actions: where they are set, and their guard."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from monitor.settings.fields import Count, HttpAddress, Seconds, SecretRef, Section, Wait
from monitor.settings.rollback import Command


class Controls(Section):
    """``without_approval``: kinds that an operator may set alone."""

    target: Literal["none", "file", "webhook", "command"] = "none"
    file: Path | None = None
    url: HttpAddress | None = None
    secret: SecretRef | None = None
    command: Command | None = None
    without_approval: tuple[Literal["threshold", "flag", "share", "kill"], ...] = ()
    cooldown_s: Wait = 60.0
    max_per_day: Count = 10
    approval_expires_s: Seconds = 3600.0


NEEDED: dict[str, tuple[str, ...]] = {
    "none": (),
    "file": ("file",),
    "webhook": ("url", "secret"),
    "command": ("command",),
}
"""What must be there for each target."""
