"""How good the labels are: against gold items, against each other, against themselves; how fast."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations

import numpy as np

from detectors.quality.agreement import Agreement, cohen_kappa, krippendorff_alpha
from detectors.quality.estimate import Estimate, mean_share
from monitor.labelling.quality_values import Said, TaskState

COMMON = 5
"""Two labellers are compared where they share so many images."""

MOST_PAIRS = 10
RECENT = timedelta(days=7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Labeller:
    """One person's labels. ``gold``: the share of gold items that they got right.

    ``again``: of images that they saw twice, the share that they labelled alike.
    """

    name: str
    labels: int
    recent: int
    gold: Estimate | None
    again: Estimate | None
    median_lead_s: float | None
    last_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    first: str
    second: str
    agreement: Agreement


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """Tasks by state, and how long they take. ``a_day``: labels a day in the last seven days.

    ``latency_s`` and ``latency_90_s``: from the queue to the label. ``oldest_s``: age of the task
    that waits longest; None where none waits.
    """

    states: Mapping[str, int]
    a_day: float
    latency_s: float | None
    latency_90_s: float | None
    oldest_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LabellerQuality:
    """``gold`` and ``again`` over all labellers; ``alpha``: None where no image got two."""

    gold: Estimate | None
    again: Estimate | None
    alpha: Agreement | None
    pairs: tuple[Pair, ...]
    people: tuple[Labeller, ...]
    flow: Flow


def labeller_quality(
    tasks: Sequence[TaskState], said: Sequence[Said], *, now: datetime, rng: np.random.Generator
) -> LabellerQuality:
    """From the tasks and what was said of them; ``rng`` draws the bootstrap of alpha."""
    gold = {one.task_id: one.gold_label for one in tasks if one.gold_label is not None}
    latest = list(_latest(said).values())
    by_image: dict[str, dict[str, int]] = defaultdict(dict)
    for one in latest:
        by_image[one.record_id].setdefault(one.author, one.label)
    people = [_labeller(name, mine, gold, now) for name, mine in _by_author(latest).items()]
    return LabellerQuality(
        gold=_share([one.label == gold[one.task_id] for one in latest if one.task_id in gold]),
        again=_share([same for mine in _by_author(latest).values() for same in _repeats(mine)]),
        alpha=krippendorff_alpha([list(each.values()) for each in by_image.values()], rng=rng),
        pairs=_pairs(by_image),
        people=tuple(sorted(people, key=lambda one: (-one.labels, one.name))),
        flow=_flow(tasks, latest, now),
    )


def _latest(said: Iterable[Said]) -> dict[tuple[int, str], Said]:
    """A labeller's last word on a task counts."""
    latest: dict[tuple[int, str], Said] = {}
    for one in sorted(said, key=lambda each: each.at):
        latest[one.task_id, one.author] = one
    return latest


def _by_author(said: Iterable[Said]) -> dict[str, list[Said]]:
    found: dict[str, list[Said]] = defaultdict(list)
    for one in said:
        found[one.author].append(one)
    return found


def _repeats(mine: Iterable[Said]) -> list[bool]:
    """For each image that a labeller got again, in another task: did they say the same?"""
    first: dict[str, int] = {}
    same = []
    for one in mine:
        if one.record_id in first:
            same.append(first[one.record_id] == one.label)
        else:
            first[one.record_id] = one.label
    return same


def _labeller(name: str, mine: Sequence[Said], gold: Mapping[int, int], now: datetime) -> Labeller:
    leads = [one.lead_time_s for one in mine if one.lead_time_s is not None]
    return Labeller(
        name=name,
        labels=len(mine),
        recent=sum(now - one.at <= RECENT for one in mine),
        gold=_share([one.label == gold[one.task_id] for one in mine if one.task_id in gold]),
        again=_share(_repeats(mine)),
        median_lead_s=float(np.median(leads)) if leads else None,
        last_at=max(one.at for one in mine),
    )


def _pairs(by_image: Mapping[str, Mapping[str, int]]) -> tuple[Pair, ...]:
    """Pairs with enough images in common, the worst first."""
    common: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for labels in by_image.values():
        for first, second in combinations(sorted(labels), 2):
            common[first, second].append((labels[first], labels[second]))
    found = [
        Pair(first=first, second=second, agreement=cohen_kappa(*zip(*both, strict=True)))
        for (first, second), both in common.items()
        if len(both) >= COMMON
    ]

    def order(pair: Pair) -> tuple[float, str, str]:
        value = pair.agreement.value
        return (1.0 if value is None else value, pair.first, pair.second)

    return tuple(sorted(found, key=order)[:MOST_PAIRS])


def _flow(tasks: Sequence[TaskState], said: Iterable[Said], now: datetime) -> Flow:
    took = [
        (one.labelled_at - one.queued_at).total_seconds()
        for one in tasks
        if one.labelled_at is not None and one.queued_at is not None
    ]
    waiting = [
        (now - (one.queued_at or one.picked_at)).total_seconds()
        for one in tasks
        if one.state in ("picked", "queued")
    ]
    return Flow(
        states=dict(sorted(Counter(one.state for one in tasks).items())),
        a_day=sum(now - one.at <= RECENT for one in said) / RECENT.days,
        latency_s=float(np.median(took)) if took else None,
        latency_90_s=float(np.quantile(took, 0.9)) if took else None,
        oldest_s=max(waiting) if waiting else None,
    )


def _share(right: Sequence[bool]) -> Estimate | None:
    return mean_share(right, np.ones(len(right))) if right else None
