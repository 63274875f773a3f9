"""What ``Tap.label`` is given, as rows. Sizes are compared before anything is looked at."""

from __future__ import annotations

from itertools import islice
from typing import Any

MOST_LABELS = 100_000
"""In one call: as many as may wait."""

Rows = list[dict[str, Any]]


def labelled(ids: Any, y: Any) -> tuple[Rows, int]:
    """Rows of ``id`` and ``label``, and how many labels were given.

    There are no rows where ids and labels differ in number, or are more than 100,000; none of an
    id without a class of 0 or more.
    """
    given: Any = [ids] if isinstance(ids, str) else ids
    if not hasattr(given, "__len__"):
        given = list(islice(given, MOST_LABELS + 1))
    n = len(given)
    values = _values(y, n) if n <= MOST_LABELS else None
    if values is None:
        return [], n
    rows = [
        {"id": name, "label": int(value)}
        for name, value in zip(map(str, given), values, strict=True)
        if _is_class(value) and name
    ]
    return rows, n


def _values(y: Any, n: int) -> list[Any] | None:
    """One value for each of n ids; None where they are not so many."""
    shape = getattr(y, "shape", None)
    if shape is not None and hasattr(y, "tolist"):
        if tuple(shape) not in ((), (n,)) or (shape == () and n != 1):
            return None
        found = y.tolist()
        return found if isinstance(found, list) else [found]
    if hasattr(y, "tolist"):
        y = y.tolist()
    values = y if isinstance(y, list | tuple) else [y]
    return list(values) if len(values) == n else None


def _is_class(value: Any) -> bool:
    try:
        return value is not None and int(value) == value and 0 <= int(value) < 2**31
    except (TypeError, ValueError, OverflowError):
        return False
