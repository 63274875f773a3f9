"""Identifiers as hashes that nobody outside this process can turn back."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence

from vigil.privacy.salt import FORMER, Salt, Salts

_HASHED = re.compile(r"h~-?[0-9]{1,12}~[0-9a-f]{32}")


class Hasher:
    """``h~PERIOD~HEX``: the first 128 bits of HMAC-SHA256 under the period's salt.

    What an identifier is (an id, a metadata key, a URI) is hashed with it, so that equal texts of
    two kinds can't be told to be equal.

    Args:
        salt: where the secret comes from.

    Raises:
        ValueError: the secret can't be read.
    """

    def __init__(self, salt: Salt) -> None:
        self._salts = Salts(salt)

    def many(self, texts: Iterable[str], *, kind: str, time_s: float) -> list[str]:
        """Each text hashed with the salt of ``time_s``; an empty one stays empty, and so does one
        that is such a hash already."""
        period, salt = self._salts.now(time_s)
        return [text if is_hashed(text) else _hashed(text, kind, period, salt) for text in texts]

    def label_ids(self, ids: Sequence[str], *, time_s: float) -> list[list[str]]:
        """What each record may be called by now: the present salt first, then the former two.

        An id that is such a hash already, from a page or a label queue, is itself.
        """
        now = self._salts.period(time_s)
        self._salts.now(time_s)
        known = [
            (period, salt)
            for period in range(now, now - FORMER - 1, -1)
            if (salt := self._salts.of(period)) is not None
        ]
        return [
            [one] if is_hashed(one) else [_hashed(one, "id", *pair) for pair in known]
            for one in ids
        ]


def is_hashed(text: str) -> bool:
    """Whether a text looks as ``Hasher`` writes it."""
    return _HASHED.fullmatch(text) is not None


def _hashed(text: str, kind: str, period: int, salt: bytes) -> str:
    if not text:
        return ""
    raw = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
    return f"h~{period}~{hmac.digest(salt, raw, 'sha256')[:16].hex()}"
