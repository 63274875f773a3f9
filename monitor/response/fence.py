"""What is called first in a transaction that only the leader may commit."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

Fence = Callable[[Session], None]
"""Raises ConflictError where another process leads by now."""


def unfenced(session: Session) -> None:
    """For a process that is alone."""
    del session
