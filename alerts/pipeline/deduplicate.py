"""Is this alert one that an open incident has already?"""

from __future__ import annotations

from dataclasses import replace

from alerts.grouping import Belongs, GroupDecision
from alerts.pipeline.case import Case
from alerts.pipeline.decision import Decision, Outcome

NAME = "deduplicate"


class Deduplicate:
    """An alert with the fingerprint of an open incident of its model is that incident."""

    def judge(self, case: Case) -> tuple[Decision, Case]:
        alert = case.arrival
        if alert is not None:
            for incident in case.known.open_with(alert.fingerprint):
                if incident.id in alert.near:
                    reason = (
                        f"the same alert as incident {incident.id}, which is {incident.state.value}"
                    )
                    place = GroupDecision(belongs=Belongs.SAME, incident=incident, reason=reason)
                    decision = Decision(stage=NAME, outcome=Outcome.CHANGE, reason=reason)
                    return decision, replace(case, place=place)
        reason = "no open incident has its fingerprint"
        return Decision(stage=NAME, outcome=Outcome.PASS, reason=reason), case
