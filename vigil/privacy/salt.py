"""The secret that identifiers are hashed with, a new one every period."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DAY_S = 86_400.0
LEAST_BYTES = 16
FORMER = 2
"""So many former salts still find the records that were hashed with them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Salt:
    """Where the secret comes from, and how long it lives. The secret itself is never in here.

    Args:
        env: name of an environment variable that holds it.
        file: path of a file that holds it.
        period_s: seconds until the next salt, at least a minute; by default a day.

    Replicas that are told the same secret hash alike, so that a label may be given in another
    process than the one that recorded. Without ``env`` and ``file`` each process draws its own,
    and what it hashed can be linked by nobody once the process is gone.

    Raises:
        ValueError: both places, or a period below a minute.
    """

    env: str = ""
    file: str = ""
    period_s: float = DAY_S

    def __post_init__(self) -> None:
        if self.env and self.file:
            raise ValueError("salt: expected env or file, found both")
        if not self.period_s >= 60.0:
            raise ValueError(f"salt.period_s: expected 60 or more, found {self.period_s!r:.80}")

    def secret(self) -> bytes:
        """Read it.

        Raises:
            ValueError: not there, or shorter than 16 bytes. The message names the place only.
        """
        if self.env:
            found, where = os.environ.get(self.env, "").encode(), f"environment {self.env}"
        elif self.file:
            where = f"file {self.file}"
            try:
                found = Path(self.file).read_bytes().strip()
            except OSError as error:
                raise ValueError(f"salt: {where}: {error.strerror}") from None
        else:
            return secrets.token_bytes(32)
        if len(found) < LEAST_BYTES:
            raise ValueError(f"salt: {where}: expected {LEAST_BYTES} bytes or more")
        return found


class Salts:
    """The salts of the present period and of two before. Salts of a period are not told to anyone.

    The salt of a period is ``HMAC(secret, period)``. Where the process drew its secret itself, the
    next period's secret is drawn anew, and those older than two periods are forgotten.
    """

    def __init__(self, salt: Salt, *, draw: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._given = salt.secret() if salt.env or salt.file else None
        self._period_s, self._draw = salt.period_s, draw
        self._known: dict[int, bytes] = {}

    def period(self, time_s: float) -> int:
        """The number of the period that a time lies in."""
        return int(time_s // self._period_s)

    def of(self, period: int) -> bytes | None:
        """A period's salt; None where it was forgotten or never drawn."""
        if self._given is not None:
            return hmac.digest(self._given, f"vigil salt {period}".encode(), "sha256")
        return self._known.get(period)

    def now(self, time_s: float) -> tuple[int, bytes]:
        """The present period and its salt."""
        period = self.period(time_s)
        salt = self.of(period)
        if salt is None:
            salt = self._known.setdefault(period, self._draw(32))
            newest = max(self._known)
            for old in [one for one in self._known if one < newest - FORMER]:
                del self._known[old]
        return period, salt
