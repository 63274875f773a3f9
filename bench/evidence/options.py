"""What the command line asks of the parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """``path``: the JSON document; ``scratch``: checkpoints and tables. Parts use what concerns
    them."""

    path: Path
    scratch: Path
    quick: bool = False
    apart: bool = False
    weathers: tuple[str, ...] = ("mild", "rough")
    seeds: tuple[int, ...] = ()
    days: int | None = None
