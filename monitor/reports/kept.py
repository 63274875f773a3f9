"""What became of each incident's report: one row of JSON; the pages lie beside the samples."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.database import insert
from monitor.store.samples import SampleStore
from monitor.store.tables import StateRow

NAME = "incident-reports"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """The newest attempt of one incident. ``error``: why it failed. ``size``: bytes of the page;
    0 where there is none yet."""

    attempts: int = 0
    began_s: float = 0.0
    ended_s: float | None = None
    error: str = ""
    size: int = 0

    @property
    def is_made(self) -> bool:
        return self.size > 0


def load(session: Session) -> dict[int, Kept]:
    """By incident; nothing where the row can't be read."""
    blob = session.scalar(select(StateRow.blob).where(StateRow.name == NAME))
    try:
        found: Mapping[str, dict[str, object]] = json.loads(blob) if blob is not None else {}
        return {int(number): Kept(**one) for number, one in found.items()}  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError):
        return {}


def save(session: Session, kept: Mapping[int, Kept], *, at: datetime) -> None:
    document = {str(number): asdict(one) for number, one in kept.items()}
    values = {"tick_id": None, "updated_at": at, "blob": json.dumps(document).encode()}
    statement = insert(session, StateRow).values(name=NAME, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def part_of(number: int) -> str:
    return f"reports/incident-{number}.html.gz"


def put_page(samples: SampleStore, number: int, html: str) -> int:
    """Keep a page; returns its size in bytes."""
    raw = html.encode()
    samples.keep(part_of(number), gzip.compress(raw, compresslevel=6))
    return len(raw)


def page_of(samples: SampleStore, number: int) -> str | None:
    """The page of an incident's report; None where it is gone or damaged."""
    raw = samples.kept(part_of(number))
    if raw is None:
        return None
    try:
        return gzip.decompress(raw).decode() or None
    except (OSError, EOFError, ValueError, zlib.error):
        return None
