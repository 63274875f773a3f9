"""A model's report: sections of sentences and tables, the same in every form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboards.console.readmodels.samples import Reliability


@dataclass(frozen=True, kw_only=True, slots=True)
class CardTable:
    """Cells as text; ``numeric``: columns that are set to the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CardSection:
    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[CardTable, ...] = ()
    reliability: Reliability | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCard:
    """What was measured of a model from ``since`` to ``until``. ``facts``: name and value."""

    model: str
    deployment: str
    since: datetime
    until: datetime
    url: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[CardSection, ...]
