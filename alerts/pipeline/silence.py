"""Did someone ask not to hear of this?"""

from __future__ import annotations

from alerts.pipeline.case import Case
from alerts.pipeline.decision import Decision
from alerts.pipeline.muted import quiet
from alerts.silences.silence import SilenceKind

NAME = "silence"


class Silenced:
    """An incident is not told while a silence matches its labels."""

    def judge(self, case: Case) -> tuple[Decision, Case]:
        kind = SilenceKind.SILENCE
        return quiet(case, stage=NAME, kind=kind, what="silenced by")
