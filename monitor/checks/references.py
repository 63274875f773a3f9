"""The baselines that judge: read from the database once each, known by the ruler of windows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from detectors.reference import Reference, reference_of
from monitor.store import baselines
from monitor.store.tables import BaselineRow
from vigil.windows.baseline import Baseline

FEWEST_KEPT = 64

_ACTIVE = "vigil: active baselines"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Active:
    """The content hashes of the active baselines, by ruler and by model and version."""

    by_ruler: Mapping[str, str]
    by_version: Mapping[tuple[str, str], str]


class References:
    """Baselines, made ready for judging. A baseline never changes; which are active may.

    Which are active is read once per session: a tick sees one state of it. As many are kept as the
    last session asked for, and not fewer than 64.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Reference] = OrderedDict()
        self._asked: set[str] = set()

    def of_ruler(self, session: Session, ruler: str) -> Baseline | None:
        """The active baseline with this ruler; None where it was retired or never known.

        Two baselines may share a ruler, e.g. one that was built again with labels.
        """
        return self._read(session, self._active(session).by_ruler.get(ruler))

    def of_version(self, session: Session, model: str, version: str) -> Baseline | None:
        """The active baseline of a version."""
        return self._read(session, self._active(session).by_version.get((model, version)))

    def _active(self, session: Session) -> _Active:
        found = session.info.get(_ACTIVE)
        if isinstance(found, _Active):
            return found
        rows = session.execute(
            select(BaselineRow.model, BaselineRow.version, BaselineRow.ruler, BaselineRow.sha256)
            .where(BaselineRow.state == baselines.ACTIVE)
            .order_by(BaselineRow.id)
        ).all()
        found = session.info[_ACTIVE] = _Active(
            by_ruler={row.ruler: row.sha256 for row in rows},
            by_version={(row.model, row.version): row.sha256 for row in rows},
        )
        while len(self._kept) > max(FEWEST_KEPT, len(self._asked)):
            self._kept.popitem(last=False)
        self._asked.clear()
        return found

    def _read(self, session: Session, sha256: str | None) -> Baseline | None:
        if sha256 is None:
            return None
        self._asked.add(sha256)
        if sha256 not in self._kept:
            self._kept[sha256] = reference_of(baselines.by_sha256(session, sha256))
        self._kept.move_to_end(sha256)
        return self._kept[sha256].baseline
