"""Which message to whom?"""

from __future__ import annotations

from dataclasses import replace

from alerts.pipeline.case import Case, Notice
from alerts.pipeline.decision import Decision, Outcome
from alerts.types import MessageEvent

NAME = "deliver"


class Deliver:
    """One notice per receiver.

    * What quietens goes to those who were told of the trigger, and to nobody else.
    * Whoever is new to an incident, or was never reached, gets its trigger, whatever the news is.
    * Whoever knows of it through the incident that it is a part of gets nothing more.
    """

    def judge(self, case: Case) -> tuple[Decision, Case]:
        if case.quietens:
            told = tuple(_notice(name, case.event, "was told of it") for name in case.told)
            reason = "whoever was told is told" if told else "nobody was told of it"
            return _answer(case, told, reason)
        notices: list[Notice] = []
        known: list[str] = []
        knowing = _knowing(case)
        for receiver in dict.fromkeys((*case.receivers, *case.told)):
            if receiver in case.unreached:
                notices.append(_notice(receiver, MessageEvent.TRIGGER, "nothing reached it"))
            elif receiver in case.told:
                why = "was told of it" if receiver not in case.receivers else "routed"
                notices.append(_notice(receiver, case.event, why))
            elif receiver in knowing:
                known.append(receiver)
            else:
                notices.append(_notice(receiver, MessageEvent.TRIGGER, "routed"))
        reason = "each receiver of the route"
        if known and case.whole is not None:
            reason = f"{', '.join(known)} knows of it as part of incident {case.whole.id}"
        return _answer(case, tuple(notices), reason, left_out=bool(known))


def _knowing(case: Case) -> tuple[str, ...]:
    """Those who were told of the whole; what is worse than the whole is news to them too."""
    incident, whole = case.incident, case.whole
    if incident is None or whole is None or incident.severity.rank > whole.severity.rank:
        return ()
    return case.whole_told


def _notice(receiver: str, event: MessageEvent, reason: str) -> Notice:
    return Notice(receiver=receiver, event=event, reason=reason)


def _answer(
    case: Case, notices: tuple[Notice, ...], reason: str, *, left_out: bool = False
) -> tuple[Decision, Case]:
    outcome = Outcome.PASS
    if left_out:
        outcome = Outcome.CHANGE if notices else Outcome.STOP
    return Decision(stage=NAME, outcome=outcome, reason=reason), replace(case, notices=notices)
