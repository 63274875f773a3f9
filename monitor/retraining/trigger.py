"""Whether a retraining should be asked for, and why: a pure function of what is known.

Rules speak one at a time, in the order of ``Trigger``. They are silent while a retraining is under
way, and for ``rest_days`` after the last proposal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from detectors.quality.estimate import Estimate
from monitor.settings.retraining import Retraining


class Trigger(StrEnum):
    """Why a retraining is proposed, or why not.

    * ``labels``: an incident's images got enough labels. ``accuracy``: surely below what is asked.
    * ``age``: the version served for long, and labels came since.
    * ``under_way``, ``resting``, ``nothing``: no proposal.
    """

    LABELS = "labels"
    ACCURACY = "accuracy"
    AGE = "age"
    UNDER_WAY = "under_way"
    RESTING = "resting"
    NOTHING = "nothing"

    @property
    def proposes(self) -> bool:
        return self in (Trigger.LABELS, Trigger.ACCURACY, Trigger.AGE)


@dataclass(frozen=True, kw_only=True, slots=True)
class TriggerFacts:
    """What the rules look at.

    ``labelled``: by incident that no retraining was asked for, how many of its images have labels.
    ``accuracy``: of the version that serves, on all traffic. ``served_since``: when it began to
    serve. ``labels_since``: labels that came after that.
    """

    labelled: Mapping[int, int] = field(default_factory=dict)
    accuracy: Estimate | None = None
    version: str = ""
    served_since: datetime | None = None
    labels_since: int = 0
    under_way: int | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What a rule says, in a sentence. ``incident_id``: of the incident that it is about."""

    trigger: Trigger
    text: str
    incident_id: int | None = None


def propose_by_rule(facts: TriggerFacts, rules: Retraining, now: datetime) -> Proposal:
    """The first rule that asks for a retraining, or why none does."""
    if facts.under_way is not None:
        return Proposal(
            trigger=Trigger.UNDER_WAY, text=f"retraining {facts.under_way} is under way"
        )
    rest = timedelta(days=rules.rest_days)
    if facts.last_at is not None and now - facts.last_at < rest:
        return Proposal(trigger=Trigger.RESTING, text=f"the last was asked for {facts.last_at}")
    return (
        _by_labels(facts, rules)
        or _by_accuracy(facts, rules)
        or _by_age(facts, rules, now)
        or Proposal(trigger=Trigger.NOTHING, text="no rule asks for it")
    )


def _by_labels(facts: TriggerFacts, rules: Retraining) -> Proposal | None:
    if rules.after_labels is None or not facts.labelled:
        return None
    incident, count = max(facts.labelled.items(), key=lambda one: (one[1], -one[0]))
    if count < rules.after_labels:
        return None
    text = f"{count} images of incident {incident} are labelled (asked for: {rules.after_labels})"
    return Proposal(trigger=Trigger.LABELS, text=text, incident_id=incident)


def _by_accuracy(facts: TriggerFacts, rules: Retraining) -> Proposal | None:
    found = facts.accuracy
    if rules.accuracy_below is None or found is None or found.high >= rules.accuracy_below:
        return None
    text = (
        f"accuracy of {facts.version} is {100 * found.value:.1f} %, at most "
        f"{100 * found.high:.1f} % (asked for: {100 * rules.accuracy_below:.1f} %)"
    )
    return Proposal(trigger=Trigger.ACCURACY, text=text)


def _by_age(facts: TriggerFacts, rules: Retraining, now: datetime) -> Proposal | None:
    if rules.older_than_days is None or facts.served_since is None or not facts.labels_since:
        return None
    age = (now - facts.served_since) / timedelta(days=1)
    if age < rules.older_than_days:
        return None
    text = f"{facts.version} serves for {age:.0f} days, and {facts.labels_since} labels came since"
    return Proposal(trigger=Trigger.AGE, text=text)
