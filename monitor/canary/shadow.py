"""A shadow beside the version that serves: the same inputs, answered twice, compared by pairs.

A shadow records its answer under ``vigil.split.shadow_id`` of the input's record, in a deployment
of its own, so that nothing it says counts as traffic.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.gate.shares import Loss, paired_loss
from monitor.ingest.labels import find_predictions, known_labels
from monitor.store.tables import LedgerIdRow, WindowRow
from vigil.errors import NotFoundError
from vigil.split import SHADOW

MOST = 50_000
ERROR = 0.025
_SHOWN = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """One input, answered by the version that serves and by its shadow. ``label``: -1 unknown."""

    control: int
    shadow: int
    control_confidence: float
    shadow_confidence: float
    label: int = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowReport:
    """``changed``: (class of the control, of the shadow, inputs), the most frequent first.
    ``loss``: of accuracy, where inputs are labelled, with a 95 % interval; None where none is."""

    pairs: int
    disagree: int
    changed: tuple[tuple[int, int, int], ...]
    confidence: tuple[float, float]
    labelled: int
    loss: Loss | None

    @property
    def share(self) -> float:
        """Of the inputs on which they disagree."""
        return self.disagree / max(self.pairs, 1)


def compare(pairs: list[Pair]) -> ShadowReport:
    """Where two versions differ on the same inputs, and which of them is right there. Pure."""
    changed = Counter((one.control, one.shadow) for one in pairs if one.control != one.shadow)
    known = [one for one in pairs if one.label >= 0]
    loss = None
    if known:
        control = np.array([one.control == one.label for one in known], np.float64)
        shadow = np.array([one.shadow == one.label for one in known], np.float64)
        loss = paired_loss(control, shadow, low=ERROR, high=ERROR)
    return ShadowReport(
        pairs=len(pairs),
        disagree=sum(changed.values()),
        changed=tuple((*classes, count) for classes, count in changed.most_common(_SHOWN)),
        confidence=(
            float(np.mean([one.control_confidence for one in pairs])) if pairs else 0.0,
            float(np.mean([one.shadow_confidence for one in pairs])) if pairs else 0.0,
        ),
        labelled=len(known),
        loss=loss,
    )


def pairs_of(
    session: Session, *, model: str, deployment: str, shadow: str, since: datetime
) -> list[Pair]:
    """The latest inputs, at most ``MOST``, that a shadow in the deployment ``shadow`` and the
    version that serves in ``deployment`` both answered.

    Raises:
        NotFoundError: the shadow answered nothing since then.
    """
    ids = session.scalars(
        select(LedgerIdRow.record_id)
        .join(WindowRow, WindowRow.id == LedgerIdRow.window_id)
        .where(
            WindowRow.model == model,
            WindowRow.deployment == shadow,
            WindowRow.end_at >= since,
            LedgerIdRow.record_id.startswith(SHADOW, autoescape=True),
        )
        .order_by(WindowRow.id.desc(), LedgerIdRow.position)
        .limit(MOST)
    ).all()
    if not ids:
        raise NotFoundError(
            f"{model}/{shadow}: no shadow answered since {since:%Y-%m-%d %H:%M} UTC; it records "
            f"under ids that begin with {SHADOW!r}"
        )
    answers = find_predictions(session, [*ids, *(one.removeprefix(SHADOW) for one in ids)])
    labels = known_labels(session, [one.removeprefix(SHADOW) for one in ids])
    found = []
    for shadow_id in ids:
        original = shadow_id.removeprefix(SHADOW)
        mine, theirs = answers.get(original), answers.get(shadow_id)
        if mine is None or theirs is None or mine.model.deployment != deployment:
            continue
        found.append(
            Pair(
                control=mine.prediction,
                shadow=theirs.prediction,
                control_confidence=float(np.nan_to_num(mine.confidence)),
                shadow_confidence=float(np.nan_to_num(theirs.confidence)),
                label=labels.get(original, -1),
            )
        )
    return found
