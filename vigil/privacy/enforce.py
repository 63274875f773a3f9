"""What the service asks of a model's taps, applied to batches before they are counted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from vigil.measuring.batch import RecordBatch
from vigil.privacy.guard import Guard
from vigil.privacy.hashing import Hasher
from vigil.privacy.rules import NO_POLICY, STRICTEST, Policy, Privacy
from vigil.privacy.salt import Salt
from vigil.quality.counts import NO_FAULTS
from vigil.windows.part import Part
from vigil.windows.sample import Sample

SECRET = "VIGIL_SALT"
"""The environment variable that replicas share their secret in, for a policy that hashes."""


class Enforcer:
    """Keeps to the newest policy that the service told; what was told before holds until then.

    A policy that can't be read, of a newer vigil say, is held to be the strictest.

    Args:
        told: the policy as JSON; None where the service was not reached yet.
        prefix: of the names that the tap makes itself.
    """

    def __init__(self, told: Callable[[], str | None], prefix: str = "") -> None:
        self._told, self._prefix = told, prefix
        self._text: str | None = None
        self._policy = NO_POLICY
        self._guard: Guard | None = None
        self.problem = ""

    @property
    def knows(self) -> bool:
        """Whether the service has said anything."""
        return self._told() is not None

    @property
    def asks(self) -> bool:
        """Whether the service is known to ask for anything."""
        return self._told() not in (None, "", "{}")

    def part(self, part: Part) -> Part:
        """What a device measured before it was known what the service asks: its sums alone, without
        a record that could be told from others. Later calls don't go to a device."""
        if not self.asks:
            return part
        return replace(
            part,
            sample=Sample.empty(),
            informative=Sample.empty(),
            ids=("",) * len(part.ids),
            custom_ids=True,
            quality=NO_FAULTS,
        )

    def apply(self, batch: RecordBatch) -> tuple[RecordBatch, int]:
        """The batch as the policy allows it, and how many records were dropped from it."""
        self._look()
        policy = self._policy
        if policy == NO_POLICY:
            return batch, 0
        dropped = 0
        if self._guard is not None:
            batch, dropped = _cleaned(batch, self._guard, self._prefix)
        if policy.pixels == "none":
            batch = replace(batch, thumbnails=batch.thumbnails[:, :0, :0], whole=())
        elif policy.pixels == "thumbnails":
            batch = replace(batch, whole=())
        return batch, dropped

    def labels(self, rows: list[dict[str, Any]], now_s: float, prefix: str) -> list[dict[str, Any]]:
        """Labels under the names that their records left with."""
        self._look()
        if self._guard is None:
            return rows
        return self._guard.label_rows(rows, time_s=now_s, prefix=prefix)

    def _look(self) -> None:
        text = self._told()
        if text is None or text == self._text:
            return
        self._text, self.problem = text, ""
        try:
            self._policy = Policy.from_json(json.loads(text or "{}"))
        except (ValueError, TypeError) as error:
            self._policy, self.problem = STRICTEST, f"policy: {error}"
        privacy = Privacy(pixels="full").stricter(self._policy)
        hasher = self._hasher() if self._guard is None else self._guard.hasher
        self._guard = Guard(privacy, hasher) if privacy.changes_records else None

    def _hasher(self) -> Hasher:
        """With the secret of the replicas; where that can't be used, with one of this process: what
        is asked for holds, and labels must be given here."""
        if os.environ.get(SECRET):
            try:
                return Hasher(Salt(env=SECRET))
            except ValueError as error:
                self.problem = self.problem or str(error)
        return Hasher(Salt())


def _cleaned(batch: RecordBatch, guard: Guard, prefix: str) -> tuple[RecordBatch, int]:
    found = guard.clean(
        ids=list(batch.ids),
        chosen=batch.custom_ids,
        arguments={"uris": batch.uris, "trace_ids": batch.trace_ids},
        metadata=batch.metadata,
        time_s=float(batch.time_s[0]) if len(batch) else 0.0,
        prefix=prefix,
    )
    if found.dropped:
        batch = batch.take(np.flatnonzero([bool(one) for one in found.told]))
    n = len(batch)
    rows: Any = found.metadata
    # Of a record that is dropped its name goes with it; the others keep theirs.
    ids = found.ids if found.chosen else batch.ids
    kept = replace(
        batch,
        ids=tuple(ids),
        custom_ids=found.chosen,
        metadata=tuple(rows),
        uris=tuple(one or "" for one in found.arguments["uris"] or [""] * n),
        trace_ids=tuple(one or "" for one in found.arguments["trace_ids"] or [""] * n),
    )
    return kept, found.dropped
