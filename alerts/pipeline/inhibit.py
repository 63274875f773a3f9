"""Is this explained by something worse that people know of?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alerts.pipeline.case import Case, Known
from alerts.pipeline.decision import Decision, Outcome
from alerts.types import AlertKind, Incident

NAME = "inhibit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """While an open incident has the labels ``by``, those with the labels ``mute`` are not told
    that agree with it in all labels of ``equal``."""

    by: Mapping[str, str]
    mute: Mapping[str, str]
    equal: tuple[str, ...] = ("model", "deployment")
    name: str = ""
    whole_by_slice: bool = field(default=False)
    """Only an incident of all traffic, and only those of a slice."""

    def in_words(self) -> str:
        """``inhibit 1: cause=a mutes cause=b, of the same model``."""
        same = f", of the same {', '.join(self.equal)}" if self.equal else ""
        return f"{self.name}: {_pairs(self.by)} mutes {_pairs(self.mute)}{same}"

    def holds(
        self,
        by: Incident,
        by_labels: Mapping[str, str],
        muted: Incident,
        muted_labels: Mapping[str, str],
    ) -> bool:
        if self.whole_by_slice and not (by.slice.is_whole and not muted.slice.is_whole):
            return False
        return (
            _has(by_labels, self.by)
            and _has(muted_labels, self.mute)
            and all(by_labels.get(name, "") == muted_labels.get(name, "") for name in self.equal)
        )


_DRIFT = (
    AlertKind.MODEL_REGRESSION,
    AlertKind.INPUT_FAULT,
    AlertKind.DOMAIN_SHIFT,
    AlertKind.SERVICE_FAULT,
    AlertKind.UNKNOWN,
    AlertKind.BASELINE_DRIFT,
    AlertKind.NO_DATA,
)
BUILT_IN: tuple[Rule, ...] = tuple(
    Rule(
        by={"alertname": AlertKind.NO_DATA.value},
        mute={"alertname": kind.value},
        whole_by_slice=True,
        name="no_data of a whole model explains its slices",
    )
    for kind in _DRIFT
)
"""What holds without being configured."""


class Inhibit:
    """An incident is not told while another open one explains it.

    Trouble of vigil itself explains nothing and is explained by nothing. Of incidents that explain
    one another in a circle, the oldest is told.
    """

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = (*BUILT_IN, *rules)

    def judge(self, case: Case) -> tuple[Decision, Case]:
        incident = case.incident
        if incident is None or case.quietens:
            reason = "what quietens is told to whoever was told"
            return Decision(stage=NAME, outcome=Outcome.PASS, reason=reason), case
        found = self._explained(incident, case.labels, case.known)
        if found is None:
            reason = "no open incident inhibits it"
            return Decision(stage=NAME, outcome=Outcome.PASS, reason=reason), case
        by, rule = found
        why = f" ({rule.name})" if rule.name else ""
        reason = f"inhibited by incident {by.id} while that is open{why}"
        return Decision(stage=NAME, outcome=Outcome.STOP, reason=reason), case

    def _explained(
        self, incident: Incident, labels: Mapping[str, str], known: Known
    ) -> tuple[Incident, Rule] | None:
        first = next(self._by(incident, labels, known), None)
        chain, link = [incident.id], first
        while link is not None and link[0].id not in chain:
            chain.append(link[0].id)
            link = next(self._by(link[0], known.labels(link[0]), known), None)
        is_circle = link is not None and link[0].id == incident.id
        return None if is_circle and incident.id == min(chain) else first

    def _by(
        self, incident: Incident, labels: Mapping[str, str], known: Known
    ) -> Iterator[tuple[Incident, Rule]]:
        if incident.kind is AlertKind.VIGIL_SELF:
            return
        for rule in self._rules:
            if not _has(labels, rule.mute):
                continue
            for other in known.open:
                if other.id == incident.id or other.kind is AlertKind.VIGIL_SELF:
                    continue
                if rule.holds(other, known.labels(other), incident, labels):
                    yield other, rule


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name, "") == value for name, value in wanted.items())


def _pairs(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items())
