"""What ``/healthz`` of the proxy says. Anyone may ask, so it is names and numbers: texts of errors,
in which paths and addresses may be, are in the log alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from monitor.proxy.seldom import Seldom

log = logging.getLogger("vigil.proxy")

_TOLD = (
    "recorded",
    "queued",
    "windows",
    "waiting",
    "labels_waiting",
    "labels_refused",
    "dropped",
    "shipped",
    "problem",
)


def told(said: Mapping[str, Any]) -> dict[str, Any]:
    """Of what the recording process says of itself, what may be shown."""
    taps = said.get("taps", {})
    return {
        **said,
        "problem": named(str(said.get("problem", ""))),
        "taps": {
            model: {name: stats[name] for name in _TOLD if name in stats}
            for model, stats in taps.items()
        },
    }


def named(problem: str) -> str:
    """The reason that stands before the text of a problem."""
    return problem.partition(":")[0]


class Troubles:
    """Says in the log what is wrong, when that changes, and seldom."""

    def __init__(self, seldom: Seldom | None = None) -> None:
        self._seldom = seldom or Seldom()
        self._before: dict[str, str] = {}

    def say(self, problems: Mapping[str, str]) -> None:
        """Args:
        problems: by what has them; "" where all is well.
        """
        fresh = {who: text for who, text in problems.items() if text != self._before.get(who, "")}
        if not fresh or not self._seldom.is_due():
            return
        self._before = dict(problems)
        for who, text in fresh.items():
            log.warning("%s: %s", who, text or "well again")
