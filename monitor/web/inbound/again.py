"""A change that another made at the same moment is tried again at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from vigil.errors import ConflictError

_T = TypeVar("_T")
TRIES = 5


def with_patience(work: Callable[[], _T]) -> _T | None:
    """What ``work`` returns; None where it conflicted five times over."""
    for _ in range(TRIES):
        try:
            return work()
        except ConflictError:
            continue
    return None
