"""Which version answers: a split of traffic that needs no memory.

A unit is what must not be torn apart: a user's session, else a request. The same unit, share and
salt always give the same answer, in every process; another salt gives an independent split, so
that who was in one canary is not in the next one too::

    from vigil.split import split

    version = "v2" if split(session_id, share=0.1, salt="reader-v2") else "v1"
"""

from __future__ import annotations

from vigil.windows.sample import unit_hash

_BETWEEN = "\x1f"
SHADOW = "shadow:"


def split(unit: str, *, share: float, salt: str) -> bool:
    """Whether a unit belongs to the new version.

    Args:
        unit: the session or request.
        share: of all units, 0 to 1, that are to go there. Raising it later moves units from the
            old version to the new one, and none back.
        salt: names the split.

    Raises:
        ValueError: a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected 0 to 1, found {share}")
    return unit_hash(f"{salt}{_BETWEEN}{unit}") < share


def shadow_id(record_id: str) -> str:
    """The id under which a shadow records its answer to the input of ``record_id``."""
    return f"{SHADOW}{record_id}"
