"""What can't be held to anything."""

from __future__ import annotations

from vigil.errors import VigilError


class GateError(VigilError):
    """An evaluation or a rule that can't be used: what was expected, what came, and where."""
