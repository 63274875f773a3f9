"""What stands between a call of ``record`` and everything that leaves the process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vigil.privacy.hashing import Hasher
from vigil.privacy.pictures import Pictures
from vigil.privacy.records import Plain, consenting, is_column, only, plain_list, replaced
from vigil.privacy.rows import rows_of_arguments
from vigil.privacy.rules import Privacy, Treatment

MOST_REFUSED_KEYS = 32
OTHER_KEYS = "*other*"
NO_CONSENT = "no_consent"
WITHHELD = ""
"""The id of a record that is counted, but kept out of every sample and found by nobody."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cleaned:
    """A call as it may leave. ``ids``: n names, or m < n where records without consent are dropped;
    ``chosen`` where they are not the tap's own numbers in order. ``told``: n ids for the caller, an
    empty one for a record that can't be found again."""

    ids: list[str]
    chosen: bool
    told: list[str]
    arguments: dict[str, Any]
    metadata: Plain
    dropped: int


class Guard:
    """Applies a ``Privacy`` to calls. Safe to use from several threads.

    ``counts``: records ``withheld`` and ``dropped``. ``refused``: metadata keys that were not let
    out, by name, in calls or rows; at most 32 names, then ``*other*``. Names stay here: they are
    for the process's own eyes (``Tap.stats``).

    Raises:
        ValueError: the salt can't be read.
    """

    def __init__(self, privacy: Privacy, hasher: Hasher | None = None) -> None:
        self.privacy = privacy
        self.hasher = hasher if hasher is not None else Hasher(privacy.salt)
        self._allowed = None if privacy.metadata is None else frozenset(privacy.metadata)
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def clean(
        self,
        *,
        ids: list[str],
        chosen: bool,
        arguments: Mapping[str, Any],
        metadata: Plain,
        time_s: float,
        prefix: str = "",
    ) -> Cleaned:
        """A call of n records without what may not leave.

        Args:
            ids: n names. chosen: whether the caller gave them.
            arguments: arrays and lists by name, ``uris`` and ``trace_ids`` among them, and
            metadata: as ``Tap.record`` takes them.
            time_s: now; it chooses the salt.
            prefix: of the names that the tap makes itself, as in ``label_ids``; "" for none.

        Raises:
            ValueError, TypeError: values that do not fit n records. Nothing of the call may leave.
        """
        n, told = len(ids), list(ids)
        kept = consenting(metadata, self.privacy.consent, n)
        rows = np.flatnonzero(kept)
        dropped = 0
        found = dict(arguments)
        if len(rows) < n and self.privacy.without_consent == "drop":
            dropped = n - len(rows)
            found = rows_of_arguments(found, rows, n)
            metadata = _metadata_rows(metadata, rows, n)
            # The tap's own names are numbers in order: those that are left take the first ones.
            ids = [ids[row] for row in rows.tolist()] if chosen else ids[: len(rows)]
            told = _spread(ids, rows, n)
            self._count("dropped", dropped)
        elif len(rows) < n:
            ids = [one if said else WITHHELD for one, said in zip(ids, kept.tolist(), strict=True)]
            for name in ("uris", "trace_ids"):
                found[name] = _blank(found.get(name), kept.tolist())
            told, chosen = list(ids), True
            self._count("withheld", n - len(rows))
        for name, kind, how in (
            ("uris", "uri", self.privacy.uris),
            ("trace_ids", "trace", self.privacy.trace_ids),
        ):
            found[name] = self._treated(found.get(name), kind, how, time_s)
        return Cleaned(
            ids=self._names(ids, time_s, prefix) if chosen and self.privacy.ids == "hash" else ids,
            chosen=chosen,
            told=told,
            arguments=found,
            metadata=self._metadata(metadata, time_s),
            dropped=dropped,
        )

    def label_ids(self, ids: Sequence[str], *, time_s: float, prefix: str) -> list[list[str]]:
        """What each record that is labelled may be called: the first is the likeliest.

        Args:
            prefix: of the names that the tap makes itself; those are not hashed.
        """
        if self.privacy.ids != "hash":
            return [[one] for one in ids]
        names = self.hasher.label_ids(ids, time_s=time_s)
        return [
            [one] if one.startswith(prefix) else known
            for one, known in zip(ids, names, strict=True)
        ]

    def label_rows(
        self, rows: list[dict[str, Any]], *, time_s: float, prefix: str
    ) -> list[dict[str, Any]]:
        """Rows of labels under the names that left: ``id``, and the former names in ``also``."""
        names = self.label_ids([row["id"] for row in rows], time_s=time_s, prefix=prefix)
        return [
            {**row, "id": known[0], **({"also": known[1:]} if known[1:] else {})}
            for row, known in zip(rows, names, strict=True)
        ]

    def _metadata(self, metadata: Plain, time_s: float) -> Plain:
        if self._allowed is not None:
            metadata = only(metadata, self._allowed, self._refuse)
        hashed = self.privacy.hash_metadata
        return replaced(
            metadata, hashed, lambda key, texts: self._hashed(texts, f"metadata {key}", time_s)
        )

    def _treated(
        self, texts: Sequence[str | None] | None, kind: str, how: Treatment, time_s: float
    ) -> Sequence[str | None] | None:
        if texts is None or how == "keep":
            return texts
        if how == "drop":
            return None
        return self._hashed(["" if one is None else str(one) for one in texts], kind, time_s)

    def _hashed(self, texts: list[str], kind: str, time_s: float) -> list[str]:
        return self.hasher.many(texts, kind=kind, time_s=time_s)

    def _names(self, ids: list[str], time_s: float, prefix: str) -> list[str]:
        found = self._hashed(ids, "id", time_s)
        if not prefix:
            return found
        return [
            own if own.startswith(prefix) else name for own, name in zip(ids, found, strict=True)
        ]

    def _refuse(self, key: str, times: int) -> None:
        with self._lock:
            room = key in self.refused or len(self.refused) < MOST_REFUSED_KEYS
            self.refused[key if room else OTHER_KEYS] += times

    def _count(self, what: str, n: int) -> None:
        with self._lock:
            self.counts[what] += n


def _metadata_rows(metadata: Plain, rows: Any, n: int) -> Plain:
    if metadata is None:
        return None
    if isinstance(metadata, Mapping):
        return {
            key: [plain_list(value)[row] for row in rows.tolist()] if is_column(value) else value
            for key, value in metadata.items()
        }
    some: Plain = _some(metadata, rows, n)
    return some


def _some(values: Any, rows: Any, n: int) -> Any:
    if values is None:
        return None
    if len(values) != n:
        raise ValueError(f"expected {n} values, found {len(values)}")
    return [values[row] for row in rows.tolist()]


def _blank(texts: Sequence[str | None] | None, kept: Sequence[bool]) -> list[str | None] | None:
    if texts is None:
        return None
    return [one if said else None for one, said in zip(texts, kept, strict=True)]


def _spread(ids: Sequence[str], rows: Any, n: int) -> list[str]:
    told = [WITHHELD] * n
    for name, row in zip(ids, rows.tolist(), strict=True):
        told[row] = name
    return told


def privacy_of(given: Privacy | None, *, thumbnails: bool, keys: Sequence[str]) -> Privacy:
    """What a tap was told, in one value.

    Raises:
        ValueError: pixels were spoken of twice, or a key to slice by may not leave.
    """
    if given is None:
        return Privacy(pixels="thumbnails" if thumbnails else "none")
    if thumbnails:
        raise ValueError("thumbnails: expected pixels in privacy alone, found both")
    hidden = [key for key in keys if given.metadata is not None and key not in given.metadata]
    if hidden:
        raise ValueError(
            f"keys: expected some of the metadata that may leave ({', '.join(given.metadata or ())}"
            f"), found {', '.join(hidden)}"
        )
    return given


def told(guard: Guard | None, pictures: Pictures) -> dict[str, Any]:
    """What was withheld so far, for ``Tap.stats``."""
    return {
        **({} if guard is None else guard.counts),
        **pictures.counts,
        "keys": {} if guard is None else dict(guard.refused),
        "problem": pictures.problem,
    }
