"""JSON that anyone may have sent."""

from __future__ import annotations

import json
from typing import Any

from vigil.errors import WireError

MOST_DECODED = 2**30
_BYTES_OF = {b",": 32, b"[": 64, b"{": 240}
"""What an element, a list and an object take in Python's memory, about."""


def parsed(text: bytes) -> Any:
    """What a text says.

    Raises:
        WireError: no JSON, nested too deep, or more than a gigabyte once it is decoded: a few
            megabytes of brackets would be.
    """
    if sum(size * text.count(mark) for mark, size in _BYTES_OF.items()) > MOST_DECODED:
        raise WireError(f"JSON of more than {MOST_DECODED} bytes once it is decoded")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {error}") from None
