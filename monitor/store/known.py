"""Whether a model is one that we know, or a name that somebody mistyped."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.tables import LabelRow, ReleaseRow, SourceRow
from vigil.errors import NotFoundError


def must_be_known(session: Session, model: str, deployment: str, *, declared: bool) -> None:
    """Raises:
    NotFoundError: not ``declared``, never released, and no window or label of it came.
    """
    if declared:
        return
    for table in (ReleaseRow, SourceRow, LabelRow):
        chosen = (table.model == model, table.deployment == deployment)
        if session.scalar(select(table.model).where(*chosen).limit(1)) is not None:
            return
    raise NotFoundError(
        f"{model} in {deployment}: there is no such model: declare it under [[models]] in the "
        "configuration, or let a tap report it first"
    )
