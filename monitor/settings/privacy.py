"""Settings of what may be kept of a model's records, whatever its taps are told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from monitor.settings.fields import Name, Section
from vigil.privacy.rules import MOST_NAMES

Names = Annotated[tuple[Name, ...], Field(max_length=MOST_NAMES)]
How = Literal["keep", "hash", "drop"]


class PrivacyRules(Section):
    """Of these and of what a tap was told the stricter holds, in everything."""

    metadata: Names | None = None
    hash_metadata: Names = ()
    ids: Literal["keep", "hash"] = "keep"
    uris: How = "keep"
    trace_ids: How = "keep"
    consent: Names = ()
    without_consent: Literal["count", "drop"] = "count"
