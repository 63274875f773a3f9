"""Place and spread of one scalar are one finding, under the name that an incident has told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from alerts.types import Finding
from vigil.catalogue import base_of


def as_known(known: Sequence[Finding], arrived: Sequence[Finding]) -> tuple[Finding, ...]:
    """What arrived, whichever of the two streams of a scalar has more evidence now. They share
    their effect; means and spreads stay as they were told."""
    names = {(base_of(one.signal), one.slice): one for one in known}
    out = []
    for one in arrived:
        told = names.get((base_of(one.signal), one.slice), one)
        if told.signal != one.signal:
            one = replace(one, signal=told.signal, before=told.before, now=told.now)
        out.append(one)
    return tuple(out)
