"""Datasets on disk or in a bucket, and in the table that says which there are.

They lie under their content's name, so that writing one again changes nothing: a process may be
killed between the files and the row. A record that is forgotten is struck from every dataset; the
name then says what was frozen, not what is left (``manifest.json`` has ``struck``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.labelling.quality_read import read
from monitor.labelling.quality_suspects import suspects
from monitor.labelling.quality_values import LabelledRecord
from monitor.retraining.image_hashes import image_hashes
from monitor.retraining.manifest import (
    LABELS,
    MANIFEST,
    POINTER,
    Dataset,
    Item,
    dataset,
    pointer,
    without,
)
from monitor.settings.schema import Settings
from monitor.store.database import insert
from monitor.store.samples import FsspecSamples, SampleStore
from monitor.store.tables import DatasetRow, LabelTaskRow
from vigil.errors import NotFoundError, VigilError


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """Where a model's datasets lie. ``root`` is how people and pipelines find it."""

    store: SampleStore
    root: str

    def path(self, model: str, deployment: str, sha256: str) -> str:
        return f"datasets/{quote(model, safe='')}/{quote(deployment, safe='')}/{sha256}"

    def location(self, model: str, deployment: str, sha256: str) -> str:
        return f"{self.root.rstrip('/')}/{self.path(model, deployment, sha256)}"


def shelf_of(settings: Settings, samples: SampleStore, model: str, deployment: str) -> Shelf:
    """The model's own place where the settings name one, else beside the samples."""
    watched = settings.model(model, deployment)
    root = watched.retraining.datasets if watched else None
    if root is None:
        return Shelf(store=samples, root=settings.service.samples)
    return Shelf(store=FsspecSamples(root), root=root)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """What a dataset is made of, as the database has it: ``batches`` is the label batch of each
    picked record, where its thumbnail is kept."""

    model: str
    deployment: str
    records: tuple[LabelledRecord, ...]
    uris: Mapping[str, str]
    batches: Mapping[str, str]
    suspect: Mapping[str, tuple[str, ...]]
    parent: str | None
    class_names: tuple[str, ...]


def gather(
    session: Session,
    settings: Settings,
    model: str,
    deployment: str,
    *,
    since: datetime,
    until: datetime,
) -> Gathered:
    """Every label of the model's predictions since then; gold items stay out, they examine.

    Raises:
        VigilError: there is no label to train on.
    """
    book = read(session, model, deployment, since=since, until=until)
    gold = {one.record_id for one in book.tasks if one.gold_label is not None}
    records = tuple(one for one in book.records if one.record_id not in gold)
    if not records:
        raise VigilError(f"{model} in {deployment}: there is no label to train on")
    watched, parent = settings.model(model, deployment), newest(session, model, deployment)
    doubted = suspects(book.records, book.tasks, book.said)
    picked = _picked(session, model, deployment, since)
    return Gathered(
        model=model,
        deployment=deployment,
        records=records,
        uris={one.record_id: picked.get(one.record_id, ("", ""))[0] for one in records},
        batches={record_id: batch for record_id, (_, batch) in picked.items()},
        suspect={one.record_id: tuple(kind.value for kind in one.kinds) for one in doubted},
        parent=parent.sha256 if parent else None,
        class_names=tuple(watched.class_names) if watched else (),
    )


def frozen(gathered: Gathered, settings: Settings, samples: SampleStore) -> Dataset:
    """The dataset; images are read for their hashes, so no transaction should be open."""
    watched = settings.model(gathered.model, gathered.deployment)
    hashes = image_hashes(
        gathered.uris,
        gathered.batches,
        samples,
        allowed=watched.retraining.images if watched else (),
    )
    return dataset(
        (
            Item(
                record=one,
                uri=gathered.uris[one.record_id],
                image=hashes[one.record_id],
                suspect=gathered.suspect.get(one.record_id, ()),
            )
            for one in gathered.records
        ),
        model=gathered.model,
        deployment=gathered.deployment,
        parent=gathered.parent,
        class_names=gathered.class_names,
    )


def _picked(
    session: Session, model: str, deployment: str, since: datetime
) -> dict[str, tuple[str, str]]:
    """Where the images of picked records are, as their source said, and in which batch."""
    rows = session.execute(
        select(LabelTaskRow.record_id, LabelTaskRow.data, LabelTaskRow.batch).where(
            LabelTaskRow.model == model,
            LabelTaskRow.deployment == deployment,
            LabelTaskRow.picked_at >= since,
        )
    )
    return {record_id: (str(data.get("uri") or ""), batch) for record_id, data, batch in rows}


def put(shelf: Shelf, model: str, deployment: str, made: Dataset) -> str:
    """Write the files; returns where they lie."""
    path = shelf.path(model, deployment, made.sha256)
    if shelf.store.kept(f"{path}/{MANIFEST}") is None:
        for name in (LABELS, POINTER, MANIFEST):  # the manifest last: it says that all is there
            shelf.store.keep(f"{path}/{name}", made.files[name])
    return shelf.location(model, deployment, made.sha256)


def note(
    session: Session,
    made: Dataset,
    *,
    model: str,
    deployment: str,
    location: str,
    actor: str,
    reason: str,
    at: datetime,
) -> DatasetRow:
    """The row of a dataset that was written; the one that is there already stays as it is."""
    values = {
        "model": model,
        "deployment": deployment,
        "sha256": made.sha256,
        "parent": made.about["parent"],
        "created_at": at,
        "actor": actor,
        "reason": reason,
        "items": made.items,
        "location": location,
        "about": dict(made.about),
    }
    session.execute(insert(session, DatasetRow).values(**values).on_conflict_do_nothing())
    return session.scalars(select(DatasetRow).where(DatasetRow.sha256 == made.sha256)).one()


def newest(session: Session, model: str, deployment: str) -> DatasetRow | None:
    return session.scalar(
        select(DatasetRow)
        .where(DatasetRow.model == model, DatasetRow.deployment == deployment)
        .order_by(DatasetRow.created_at.desc(), DatasetRow.id.desc())
        .limit(1)
    )


def labels_of(session: Session, settings: Settings, samples: SampleStore, sha256: str) -> bytes:
    """The lines of a dataset.

    Raises:
        NotFoundError: there is none of that name, or its files are gone.
    """
    row = session.scalar(select(DatasetRow).where(DatasetRow.sha256 == sha256))
    if row is None:
        raise NotFoundError(f"dataset {sha256[:12]}: there is none of that name")
    shelf = shelf_of(settings, samples, row.model, row.deployment)
    raw = shelf.store.kept(f"{shelf.path(row.model, row.deployment, sha256)}/{LABELS}")
    if raw is None:
        raise NotFoundError(f"dataset {sha256[:12]}: its files are gone from {row.location}")
    return raw


def forget(session: Session, settings: Settings, samples: SampleStore, record_id: str) -> int:
    """Strike a record from every dataset; returns from how many."""
    struck = 0
    for row in session.scalars(select(DatasetRow)):
        shelf = shelf_of(settings, samples, row.model, row.deployment)
        path = shelf.path(row.model, row.deployment, row.sha256)
        raw = shelf.store.kept(f"{path}/{LABELS}")
        left = None if raw is None else without(raw, record_id)
        if left is None:
            continue
        about = dict(row.about)
        about["struck"] = int(about.get("struck", 0)) + 1
        about["items"] = int(about["items"]) - 1
        sha256 = hashlib.sha256(left).hexdigest()
        about["files"] = {LABELS: {"sha256": sha256, "bytes": len(left)}}
        shelf.store.keep(f"{path}/{LABELS}", left)
        shelf.store.keep(f"{path}/{POINTER}", pointer(left))
        shelf.store.keep(f"{path}/{MANIFEST}", json.dumps(about, indent=2, sort_keys=True).encode())
        row.about, row.items = about, about["items"]
        struck += 1
    return struck
