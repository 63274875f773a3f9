"""What can't be compared."""

from __future__ import annotations

from vigil.errors import VigilError


class DetectError(VigilError):
    """Two tables, or an option, that can't be used: what was expected, what came, and where."""
