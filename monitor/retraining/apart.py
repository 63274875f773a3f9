"""One retraining must not hold up the others."""

from __future__ import annotations

import logging
from collections.abc import Callable

from monitor.store.database import is_away
from vigil.errors import ConflictError

log = logging.getLogger("vigil.retraining")


def apart(number: int, step: Callable[[], bool]) -> bool:
    """What the step of a retraining returns; False where it failed, which is logged.

    Raises:
        Exception: the database is away.
    """
    try:
        return step()
    except ConflictError as error:
        log.info("retraining %s: %s; looked at again", number, error)
    except Exception as error:
        if is_away(error):
            raise
        log.warning("retraining %s failed; tried again", number, exc_info=error)
    return False
