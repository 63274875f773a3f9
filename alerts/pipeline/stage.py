"""What every stage of the pipeline is."""

from __future__ import annotations

from typing import Protocol

from alerts.pipeline.case import Case
from alerts.pipeline.decision import Decision


class Stage(Protocol):
    """Pure: a case in; out comes what was decided, and the case as it goes on."""

    def judge(self, case: Case) -> tuple[Decision, Case]: ...
