"""Settings of the ledger of what serves."""

from __future__ import annotations

from monitor.settings.fields import Seconds, Section, Share


class Serving(Section):
    """``patience_s``: so long may what serves differ from what was meant to."""

    patience_s: Seconds = 900.0
    share_tolerance: Share = 0.15
