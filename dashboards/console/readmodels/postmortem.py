"""The post-mortem of one incident."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboards.console.readmodels.incident import IncidentView


@dataclass(frozen=True, kw_only=True, slots=True)
class Impact:
    """What was answered while it lasted. ``exact``: every window was counted; else it is scaled
    from a part of them.

    ``labelled``, ``wrong``: labels of what was predicted meanwhile; ``labelled_before``,
    ``wrong_before``: of the week before the onset.
    """

    start: datetime
    end: datetime
    over: bool
    inferences: int
    of_all: int
    exact: bool
    slices: tuple[tuple[str, int], ...]
    labelled: int
    wrong: int
    labelled_before: int
    wrong_before: int
    cost: float | None
    currency: str

    @property
    def wrong_share(self) -> float | None:
        return self.wrong / self.labelled if self.labelled else None

    @property
    def wrong_share_before(self) -> float | None:
        return self.wrong_before / self.labelled_before if self.labelled_before else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeLine:
    """Something that changed before the onset. ``kind``: release, baseline, source, configuration,
    person."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PostMortem:
    incident: IncidentView
    impact: Impact
    changes: tuple[ChangeLine, ...]
    changes_since: datetime
    exported_at: datetime
    url: str
