"""An error in one model's share of a tick stays with that model: the others are judged."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from monitor.checks.recent import Family
from monitor.store.database import is_away
from vigil.errors import ConflictError

log = logging.getLogger("vigil.checks")


class Apart:
    """Holds errors back, one model from another, and remembers whose share failed in this tick.

    What is wrong with the whole tick passes through: a database that is away, and a conflict with
    another process, after which the tick is done again.
    """

    def __init__(self) -> None:
        self.failed: set[Family] = set()

    @contextmanager
    def reading(self, family: Family) -> Iterator[None]:
        """For a step that writes nothing; after an error the block is left."""
        try:
            yield
        except Exception as error:
            if is_away(error) or isinstance(error, ConflictError):
                raise
            log.exception("%s in %s: its share of this tick failed", *family)
            self.failed.add(family)

    @contextmanager
    def writing(self, session: Session, family: Family) -> Iterator[None]:
        """The same for a step that writes; after an error its writes are undone."""
        with self.reading(family), session.begin_nested():
            yield
