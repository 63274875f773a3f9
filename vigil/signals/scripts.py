"""Of which script the letters of texts are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LONGEST = 4096

SCRIPTS = ("digits", "latin", "cyrillic", "greek", "arabic", "cjk", "other")
OTHER = SCRIPTS.index("other")
# First code point of each block and its script; -1: neither letter nor digit.
_BLOCKS: tuple[tuple[int, int], ...] = (
    (0x0000, -1),
    (0x0030, 0),
    (0x003A, -1),
    (0x0041, 1),
    (0x005B, -1),
    (0x0061, 1),
    (0x007B, -1),
    (0x00C0, 1),
    (0x0250, OTHER),
    (0x0300, -1),  # accents that stand on the letter before
    (0x0370, 3),
    (0x0400, 2),
    (0x0530, OTHER),
    (0x0600, 4),
    (0x0660, 0),
    (0x066A, 4),
    (0x0780, OTHER),
    (0x1E00, 1),
    (0x1F00, 3),
    (0x2000, -1),
    (0x2C00, OTHER),
    (0x3000, -1),
    (0x3040, 5),
    (0xA000, OTHER),
    (0xAC00, 5),
    (0xD7A4, OTHER),
    (0xF900, 5),
    (0xFB00, 1),
    (0xFB07, OTHER),
    (0xFB50, 4),
    (0xFE00, -1),
    (0xFE70, 4),
    (0xFF00, -1),
    (0xFF10, 0),
    (0xFF1A, -1),
    (0xFF21, 1),
    (0xFF5B, -1),
    (0xFF66, 5),
    (0xFFE0, -1),
    (0x10000, OTHER),
    (0x20000, 5),
)
_STARTS = np.array([start for start, _ in _BLOCKS])
_SCRIPT = np.array([script for _, script in _BLOCKS])


def script_shares(texts: Sequence[str]) -> NDArray[np.float64]:
    """Share of each of ``SCRIPTS`` among the letters and digits of n texts, (n, 7); zeros where a
    text has none. The first 4096 characters of each count; blocks of Unicode tell scripts apart."""
    cut = [text[:LONGEST] for text in texts]
    codes = np.frombuffer("".join(cut).encode("utf-32-le", "replace"), "<u4")
    script = _SCRIPT[np.searchsorted(_STARTS, codes, side="right") - 1]
    row = np.repeat(np.arange(len(cut)), [len(text) for text in cut])
    counted = script >= 0
    spots = row[counted] * len(SCRIPTS) + script[counted]
    table = np.bincount(spots, minlength=len(cut) * len(SCRIPTS)).reshape(-1, len(SCRIPTS))
    return np.asarray(table / np.maximum(table.sum(axis=1, keepdims=True), 1))
