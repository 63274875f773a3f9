"""Baselines in the database: content-addressed, one of them active for each model version."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session, undefer

from monitor.store.tables import BaselineRow
from vigil.arguments import NAME_LIMIT
from vigil.errors import BaselineError, NotFoundError
from vigil.values.texts import clean_text
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Ruler

ACTIVE, RETIRED, PROVISIONAL = "active", "retired", "provisional"
TEXT_LIMIT = 10_000


def add(session: Session, baseline: Baseline, *, activate: bool = True) -> BaselineRow:
    """Keep a baseline; the same content twice is kept once.

    ``activate`` makes it the one that judges its version and retires the one that did.

    Raises:
        BaselineError: a name or text that can't be kept.
    """
    _check_texts(baseline)
    row = session.scalar(select(BaselineRow).where(BaselineRow.sha256 == baseline.sha256))
    if row is None:
        row = BaselineRow(
            model=baseline.model.name,
            version=baseline.model.version,
            sha256=baseline.sha256,
            ruler=baseline.ruler.id,
            dataset=baseline.dataset,
            records=baseline.records,
            created_at=baseline.created_at,
            author=baseline.author,
            reason=baseline.reason,
            state=RETIRED,
            blob=baseline.to_bytes(),
        )
        session.add(row)
        session.flush()
    if activate:
        set_active(session, row)
    return row


def set_active(session: Session, row: BaselineRow) -> None:
    """Let this one judge its version; the one that did is retired."""
    if row.state == ACTIVE:
        return
    session.execute(
        update(BaselineRow)
        .where(
            BaselineRow.model == row.model,
            BaselineRow.version == row.version,
            BaselineRow.state == ACTIVE,
        )
        .values(state=RETIRED)
    )
    row.state = ACTIVE
    session.flush()


def _check_texts(baseline: Baseline) -> None:
    names: tuple[tuple[str, object], ...] = (
        ("model", baseline.model.name),
        ("version", baseline.model.version),
    )
    for what, text in names:
        if not isinstance(text, str) or not 0 < len(text) <= NAME_LIMIT or not text.isprintable():
            raise BaselineError(
                f"baseline.{what}: expected 1 to {NAME_LIMIT} printable characters, "
                f"found {text!r:.80}"
            )
    texts: tuple[tuple[str, object, int], ...] = (
        ("dataset", baseline.dataset, TEXT_LIMIT),
        ("author", baseline.author, NAME_LIMIT),
        ("reason", baseline.reason, TEXT_LIMIT),
    )
    for what, text, limit in texts:
        if not isinstance(text, str) or len(text) > limit or clean_text(text) != text:
            raise BaselineError(
                f"baseline.{what}: expected at most {limit} characters of text, found {text!r:.80}"
            )


def rows(
    session: Session, model: str | None = None, *, version: str | None = None
) -> Sequence[BaselineRow]:
    """What is kept, newest first, without the content."""
    query = select(BaselineRow).order_by(BaselineRow.created_at.desc(), BaselineRow.id.desc())
    if model is not None:
        query = query.where(BaselineRow.model == model)
    if version is not None:
        query = query.where(BaselineRow.version == version)
    return session.scalars(query).all()


def active(session: Session, model: str, version: str) -> Baseline | None:
    """The baseline that judges this version, or None: the version is unverified."""
    return _load(
        session,
        BaselineRow.model == model,
        BaselineRow.version == version,
        BaselineRow.state == ACTIVE,
    )


def by_ruler(session: Session, ruler: str) -> Baseline | None:
    """The baseline that windows with this ruler were measured against."""
    return _load(session, BaselineRow.ruler == ruler)


def by_sha256(session: Session, prefix: str) -> Baseline:
    """The baseline whose content hash starts with ``prefix``.

    Raises:
        NotFoundError: none starts so, or several do.
    """
    found = session.scalars(
        select(BaselineRow.sha256).where(BaselineRow.sha256.startswith(prefix, autoescape=True))
    ).all()
    if len(found) != 1:
        raise NotFoundError(f"baseline {prefix!r}: expected one that starts so, found {len(found)}")
    baseline = _load(session, BaselineRow.sha256 == found[0])
    assert baseline is not None
    return baseline


def active_ruler(session: Session, model: str, version: str) -> Ruler | None:
    """The ruler that collectors of this version measure with."""
    baseline = active(session, model, version)
    return None if baseline is None else baseline.ruler


def _load(session: Session, *conditions: object) -> Baseline | None:
    row = session.scalar(
        select(BaselineRow)
        .where(*conditions)  # type: ignore[arg-type]
        .order_by(BaselineRow.state, BaselineRow.id.desc())
        .options(undefer(BaselineRow.blob))
        .limit(1)
    )
    return None if row is None else Baseline.from_bytes(row.blob)
