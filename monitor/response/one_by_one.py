"""A job's work, one piece after the other: an error in one holds up no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from monitor.store.database import is_away
from vigil.errors import ConflictError

log = logging.getLogger("vigil.response")


def one_by_one(what: str, pieces: Iterable[int], work: Callable[[int], object]) -> None:
    """Do the work for each piece. A conflict is looked at again next time, another error is
    logged; a database that is away ends the job."""
    for piece in pieces:
        try:
            work(piece)
        except ConflictError as error:
            log.info("%s %s: %s; looked at again", what, piece, error)
        except Exception as error:
            if is_away(error):
                raise
            log.warning("%s %s failed; looked at again", what, piece, exc_info=error)
