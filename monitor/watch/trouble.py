"""What can be wrong with vigil itself, as plain values; and the rules that say so. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alerts.types import AlertKind
from alerts.wording import duration
from monitor.serving.mismatch import Mismatch

SELF = ("vigil", "self")
"""What stands for the model and the deployment of an incident that is vigil's own."""

ABSTAINING_SHARE = 0.5
ABSTAINING_AFTER = 3
"""A model that has sent so many times the history that its streams need should be judged."""

LABEL_QUEUE_PATIENCE = timedelta(hours=2)
"""Labels are worth waiting for, and nobody is called out for them sooner."""

LEAST_FREE_BYTES, LEAST_FREE_SHARE = 2**30, 0.02
SLOW_S = 5.0
MANY_WAIT = 200

Family = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """One thing that is wrong. ``key`` names it for as long as it lasts; ``since`` where known.
    ``amount``: more of it than when a person resolved it is news."""

    key: str
    title: str
    reasons: tuple[str, ...]
    kind: AlertKind = AlertKind.VIGIL_SELF
    family: Family = SELF
    since: datetime | None = None
    amount: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiverFacts:
    """``oldest``: when the message that has waited longest was written; ``down_since``: None while
    it is up."""

    waiting: int = 0
    dead: int = 0
    oldest: datetime | None = None
    down_since: datetime | None = None
    last_error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFacts:
    """One model that sends windows. ``labels_every_s``: as the settings say; ``abstaining`` of
    ``streams`` can find nothing yet; ``needed`` windows of history make a stream able to;
    ``judged_at``: the last tick that judged it."""

    first_seen_at: datetime
    last_window_at: datetime
    judged_at: datetime | None = None
    labels_every_s: float | None = None
    last_label_at: datetime | None = None
    streams: int = 0
    abstaining: int = 0
    needed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Disk:
    place: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class JobFacts:
    """``every_s``: how often it should run; ``last_ok``: when it last ended well."""

    every_s: float
    last_ok: datetime
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelQueueFacts:
    """A label queue that failed when it was last asked. ``since``: when it last answered, or had
    its first image; ``waiting`` images for which nobody's labels come back."""

    since: datetime
    waiting: int
    problem: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What vigil knows of itself at ``at``. ``looked_s``: seconds that the database took;
    ``serving``: where what serves has long differed from what was meant to."""

    at: datetime
    up_since: datetime
    window_s: float
    lateness_s: float
    last_tick_at: datetime | None = None
    looked_s: float = 0.0
    receivers: Mapping[str, ReceiverFacts] = field(default_factory=dict)
    models: Mapping[Family, ModelFacts] = field(default_factory=dict)
    disks: Sequence[Disk] = ()
    jobs: Mapping[str, JobFacts] = field(default_factory=dict)
    serving: Mapping[Family, Sequence[Mismatch]] = field(default_factory=dict)
    label_queues: Mapping[Family, LabelQueueFacts] = field(default_factory=dict)


def troubles(
    facts: Facts, *, ticks_late_after_s: float, outbox_late_after_s: float
) -> Iterator[Trouble]:
    """Everything that is wrong, each once."""
    yield from _ticks(facts, timedelta(seconds=ticks_late_after_s))
    yield from _jobs(facts, timedelta(seconds=ticks_late_after_s))
    yield from _outbox(facts, timedelta(seconds=outbox_late_after_s))
    for family, model in sorted(facts.models.items()):
        yield from _labels(facts, family, model)
        yield from _judging(facts, family, model, timedelta(seconds=ticks_late_after_s))
    for family, apart in sorted(facts.serving.items()):
        yield _serving(family, apart)
    for family, queue in sorted(facts.label_queues.items()):
        yield from _label_queue(facts, family, queue)
    yield from _disks(facts)
    if facts.looked_s > SLOW_S:
        yield Trouble(
            key="database-slow",
            title="vigil's database is slow",
            reasons=(f"a look at it took {duration(facts.looked_s)}",),
        )


def _ticks(facts: Facts, late: timedelta) -> Iterator[Trouble]:
    expected = timedelta(seconds=facts.window_s + facts.lateness_s)
    last = max(facts.last_tick_at or facts.up_since, facts.up_since)
    behind = facts.at - last - expected
    if behind > late:
        ended = (
            f"the last window that was judged ended {duration((facts.at - last).total_seconds())}"
        )
        none = "no window has been judged since the start"
        yield Trouble(
            key="ticks",
            title="vigil's checks are late: no model is being judged",
            reasons=(f"{ended} ago" if facts.last_tick_at else none,),
            since=last,
        )


def _jobs(facts: Facts, late: timedelta) -> Iterator[Trouble]:
    for name, job in sorted(facts.jobs.items()):
        silent = facts.at - job.last_ok
        if silent > max(late, 3 * timedelta(seconds=job.every_s)):
            why = job.error or "it has not run"
            yield Trouble(
                key=f"job-{name}",
                title=f"vigil's job {name} does not get done",
                reasons=(f"not for {duration(silent.total_seconds())}: {why}",),
                since=job.last_ok,
            )


def _outbox(facts: Facts, late: timedelta) -> Iterator[Trouble]:
    stuck = {
        name: one
        for name, one in sorted(facts.receivers.items())
        if one.oldest is not None and facts.at - one.oldest > late
    }
    down = {n: one for n, one in sorted(facts.receivers.items()) if one.down_since is not None}
    for name in sorted({*stuck, *down}):
        one = facts.receivers[name]
        reasons = []
        if one.down_since is not None:
            reasons.append(f"down since {one.down_since:%Y-%m-%d %H:%M} UTC: {one.last_error}")
        if one.oldest is not None:
            waits = duration((facts.at - one.oldest).total_seconds())
            reasons.append(f"{one.waiting} messages wait, the oldest for {waits}")
        yield Trouble(
            key=f"receiver-{name}",
            title=f"vigil's messages do not reach {name}",
            reasons=tuple(reasons),
            since=one.down_since or one.oldest,
        )
    waiting = sum(one.waiting for one in facts.receivers.values())
    if waiting > MANY_WAIT and not stuck:
        yield Trouble(
            key="outbox",
            title="vigil's outbox grows faster than it empties",
            reasons=(f"{waiting} messages wait",),
        )
    dead = {name: one.dead for name, one in sorted(facts.receivers.items()) if one.dead}
    if dead:
        told = ", ".join(f"{count} to {name}" for name, count in dead.items())
        yield Trouble(
            key="dead-letters",
            title="vigil gave up on messages",
            reasons=(f"{told}; see the page of deliveries, or vigil deliveries list",),
            amount=sum(dead.values()),
        )


def _labels(facts: Facts, family: Family, model: ModelFacts) -> Iterator[Trouble]:
    if model.labels_every_s is None or _gone(facts, model):
        return
    last = max(model.last_label_at or model.first_seen_at, model.first_seen_at)
    silent = facts.at - last
    if silent > timedelta(seconds=model.labels_every_s):
        came = "no label has come for" if model.last_label_at else "no label ever came, in"
        yield Trouble(
            key=f"labels-{family[0]}-{family[1]}",
            title=f"{family[0]} gets no labels any more",
            reasons=(
                f"{came} {duration(silent.total_seconds())}; they should come every "
                f"{duration(model.labels_every_s)}",
            ),
            kind=AlertKind.LABELS_SILENT,
            family=family,
            since=last,
        )


def _judging(facts: Facts, family: Family, model: ModelFacts, late: timedelta) -> Iterator[Trouble]:
    if _gone(facts, model):
        return
    name = f"{family[0]} in {family[1]}"
    patience = late + timedelta(seconds=facts.window_s + facts.lateness_s)
    judged = max(model.judged_at or model.first_seen_at, model.first_seen_at, facts.up_since)
    ticking = facts.last_tick_at is not None and facts.at - facts.last_tick_at < patience
    if ticking and facts.at - judged > patience:
        yield Trouble(
            key=f"judging-{family[0]}-{family[1]}",
            title=f"vigil fails to judge {name}",
            reasons=(
                f"its windows arrive, and none has been judged for "
                f"{duration((facts.at - judged).total_seconds())}; the log tells why",
            ),
            since=judged,
        )
    enough = timedelta(seconds=ABSTAINING_AFTER * model.needed * facts.window_s)
    known = facts.at - model.first_seen_at
    if model.streams and known > enough and model.abstaining > ABSTAINING_SHARE * model.streams:
        yield Trouble(
            key=f"abstaining-{family[0]}-{family[1]}",
            title=f"vigil can't judge most of {name}",
            reasons=(
                f"{model.abstaining} of {model.streams} streams abstain after "
                f"{duration(known.total_seconds())} of traffic: too little comes on each",
            ),
        )


def _serving(family: Family, apart: Sequence[Mismatch]) -> Trouble:
    return Trouble(
        key=f"serving-{family[0]}-{family[1]}",
        title=f"{family[0]} in {family[1]}: what serves is not what was meant to",
        reasons=tuple(one.text for one in apart),
        kind=AlertKind.SERVING_MISMATCH,
        family=family,
        since=min(one.since for one in apart),
        amount=len(apart),
    )


def _label_queue(facts: Facts, family: Family, queue: LabelQueueFacts) -> Iterator[Trouble]:
    if facts.at - max(queue.since, facts.up_since) > LABEL_QUEUE_PATIENCE:
        silent = duration((facts.at - queue.since).total_seconds())
        yield Trouble(
            key=f"label-queue-{family[0]}-{family[1]}",
            title=f"vigil does not reach the label queue of {family[0]} in {family[1]}",
            reasons=(f"{queue.waiting} images wait, and for {silent}: {queue.problem}",),
            since=queue.since,
        )


def _gone(facts: Facts, model: ModelFacts) -> bool:
    """Nothing comes of the model at all: that pages as no data."""
    return facts.at - model.last_window_at > timedelta(
        seconds=10 * facts.window_s + facts.lateness_s
    )


def _disks(facts: Facts) -> Iterator[Trouble]:
    for disk in facts.disks:
        least = max(LEAST_FREE_BYTES, LEAST_FREE_SHARE * disk.total_bytes)
        if disk.free_bytes < min(least, 0.5 * disk.total_bytes):
            yield Trouble(
                key=f"disk-{disk.place}",
                title=f"vigil's disk is almost full: {disk.place}",
                reasons=(
                    f"{disk.free_bytes / 2**20:.0f} MiB of {disk.total_bytes / 2**30:.1f} GiB "
                    "are free; when it is full nothing is stored any more",
                ),
            )
