"""Times as labelling services write them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(said: object, what: str) -> datetime:
    """An ISO time; UTC where it names no zone. ``what`` it is of, for the error.

    Raises:
        ValueError: not a time.
    """
    try:
        found = datetime.fromisoformat(str(said))
    except ValueError:
        raise ValueError(f"{what}: expected an ISO time, found {said!r:.40}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
