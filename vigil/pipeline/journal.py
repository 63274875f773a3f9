"""What a reader of a ring writes down before it gives the ring back, so that it may be killed.

The journal lies beside the ring. It holds how far the ring was read, the windows that are sealed
and not on the disk yet, and the open windows as they are. It is written whole and renamed, and only
then are sealed windows spooled and is the ring given back. So a reader that starts anew finds each
record either in the journal or still in the ring, and each window has its number for good: what
is spooled twice counts once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vigil.errors import WireError
from vigil.shipping.spool import Entry, for_us
from vigil.windows import wire

SUFFIX = ".journal"
LIMIT_BYTES = 2**30

Blobs = list[tuple[Entry, bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """All that a new reader needs.

    ``position`` in the ring; ``sequence``, ``label_sequence`` and ``order``: the next numbers of
    windows, of labels and in the spool, those of ``open`` windows taken; ``forgotten``: how much of
    the writer's losses was counted, by reason; ``dropped``: counted and not reported yet;
    ``totals``: dropped since this boot began; ``labels``: waiting, by the window they came in;
    ``sealed`` and ``open``: windows.
    """

    position: int = 0
    sequence: int = 0
    label_sequence: int = 0
    order: int = 0
    windows: int = 0
    labels_refused: int = 0
    version: str | None = None
    forgotten: list[int] = field(default_factory=list)
    dropped: Mapping[str, int] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)
    labels: list[tuple[int, list[dict[str, Any]]]] = field(default_factory=list)
    sealed: Blobs = field(default_factory=list)
    open: Blobs = field(default_factory=list)


_NUMBERS = ("position", "sequence", "label_sequence", "order", "windows", "labels_refused")


class Journal:
    """The journal of one ring.

    Attributes:
        failures: how often it could not be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.failures = 0

    def write(self, state: State) -> bool:
        """Whether it is written; if not, there is no journal, not an old one."""
        header = {
            "what": "journal",
            **{
                name: getattr(state, name) for name in (*_NUMBERS, "version", "forgotten", "labels")
            },
            "dropped": dict(state.dropped),
            "totals": dict(state.totals),
            "sealed": [entry.name for entry, _ in state.sealed],
            "open": [entry.name for entry, _ in state.open],
        }
        blobs = {
            f"{kind}.{place}": np.frombuffer(blob, np.uint8)
            for kind, pairs in (("sealed", state.sealed), ("open", state.open))
            for place, (_, blob) in enumerate(pairs)
        }
        temporary = self._path.with_suffix(".writing")
        try:
            # Samples are in it: for this user's eyes, as the ring is.
            with open(temporary, "wb", opener=for_us) as file:
                file.write(wire.pack(header, blobs, level=0))
            os.replace(temporary, self._path)
        except OSError:
            self.failures += 1
            with contextlib.suppress(OSError):
                temporary.unlink()
            self.remove()
            return False
        return True

    def load(self) -> State | None:
        """What was written last; None where there is nothing that can be read."""
        try:
            header, arrays = wire.unpack(self._path.read_bytes(), limit_bytes=LIMIT_BYTES)
            if header["what"] != "journal":
                return None
            return State(
                **{name: int(header[name]) for name in _NUMBERS},
                version=header["version"],
                forgotten=list(map(int, header["forgotten"])),
                labels=[(int(number), list(rows)) for number, rows in header["labels"]],
                dropped=_counts(header["dropped"]),
                totals=_counts(header["totals"]),
                sealed=_pairs("sealed", header, arrays),
                open=_pairs("open", header, arrays),
            )
        except (OSError, WireError, KeyError, TypeError, ValueError, AttributeError):
            return None

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()


def _counts(plain: Mapping[str, Any]) -> dict[str, int]:
    return {str(reason): int(n) for reason, n in plain.items()}


def _pairs(kind: str, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> Blobs:
    pairs = []
    for place, name in enumerate(header[kind]):
        entry = Entry.parse(name)
        if entry is None:
            raise ValueError(f"not the name of an entry: {name!r}")
        pairs.append((entry, arrays[f"{kind}.{place}"].tobytes()))
    return pairs
