"""Picks from sampled records with all that the database knows of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from alerts.actions.relabel import Earlier, Picked, pick
from monitor.labelling import ledger, pictures
from monitor.services import Services
from monitor.settings.schema import WatchedModel
from monitor.store.samples import SampleStore
from monitor.store.tables import LabelRow, LabelTaskRow
from vigil.types import Slice
from vigil.windows.baseline import Baseline
from vigil.windows.sample import Sample

EARLIER_BATCHES = 20
"""Near-duplicates are looked for in so many batches before."""

_CHUNK = 500


def choose(
    services: Services,
    watched: WatchedModel,
    sample: Sample,
    baseline: Baseline | None,
    *,
    may_draw: dict[str, float],
    budget: int,
    seed: int | Sequence[int],
    drifted: Sequence[str] = (),
) -> list[Picked]:
    """As ``alerts.actions.relabel.pick``: labels that are known are gold, and what was picked
    before, or is like it, is not chosen again."""
    rules = watched.relabel
    with services.sessions() as session:
        gold = known_labels(session, sample.ids)
        earlier = picked_before(session, services.samples, watched, sample)
    return pick(
        sample,
        baseline.sample if baseline else Sample.empty(),
        budget=budget,
        rng=np.random.default_rng(seed),
        random_share=rules.random_share,
        class_names=watched.class_names or (baseline.class_names if baseline else ()),
        drifted=drifted,
        quotas={Slice.parse(quota.slice): quota.share for quota in rules.quotas},
        earlier=earlier,
        may_draw=may_draw,
        gold=gold,
        gold_share=rules.gold_share,
    )


def known_labels(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """Labels that came by other ways than a queue: what people say of these can be checked."""
    found: dict[str, int] = {}
    for first in range(0, len(ids), _CHUNK):
        rows = session.execute(
            select(LabelRow.record_id, LabelRow.label).where(
                LabelRow.record_id.in_(ids[first : first + _CHUNK]),
                ~exists().where(
                    LabelTaskRow.record_id == LabelRow.record_id, LabelTaskRow.gold.is_(False)
                ),
            )
        )
        found.update((record_id, label) for record_id, label in rows)
    return found


def picked_before(
    session: Session, samples: SampleStore, watched: WatchedModel, sample: Sample
) -> Earlier:
    """The model's tasks of the latest batches, and how their images looked."""
    mine = (
        LabelTaskRow.model == watched.name,
        LabelTaskRow.deployment == watched.deployment,
        LabelTaskRow.state.not_in((ledger.FAILED, ledger.WITHDRAWN, ledger.WITHDRAWING)),
    )
    ids: set[str] = set()
    for first in range(0, len(sample), _CHUNK):
        some = sample.ids[first : first + _CHUNK]
        ids.update(
            session.scalars(
                select(LabelTaskRow.record_id).where(*mine, LabelTaskRow.record_id.in_(some))
            )
        )
    batches = session.execute(
        select(LabelTaskRow.batch, LabelTaskRow.picked_at)
        .where(*mine, LabelTaskRow.looks != "")
        .distinct()
        .order_by(LabelTaskRow.picked_at.desc())
        .limit(EARLIER_BATCHES)
    )
    width = sample.embedding.shape[1] if sample.embedding.ndim == 2 else 0
    kept = [pictures.of(samples, batch) for batch, _ in batches]
    seen = [
        one.embedding for one in kept if one is not None and one.embedding.shape[1:] == (width,)
    ]
    embedding = np.concatenate(seen) if seen else np.zeros((0, width), np.float16)
    return Earlier(ids=frozenset(ids), embedding=embedding)
