"""Why a model went wrong: plain rules over what drifted, where, since when, and under which
version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from detectors.direction import worse
from detectors.hard_faults import HardFault, HardFaultKind
from vigil.catalogue import base_of, signal_of
from vigil.quality.kinds import DataFault
from vigil.types import WHOLE, Cause, Effect, SignalKind, Slice

_OF_THE_MODEL = (SignalKind.PREDICTION, SignalKind.EMBEDDING)

NOVEL_IMAGE_FACTOR = 2.0
"""A camera never seen before has its own look: its image statistics count as a fault only in the
harmful direction and beyond so many tolerances."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftFact:
    """One signal that drifted on one slice.

    ``change`` is signed (see ``direction.changes``); None where the signal has no direction.
    """

    signal: str
    kind: SignalKind
    slice: Slice = WHOLE
    effect: Effect | None = None
    novel: bool = False
    change: float | None = None

    @property
    def worse(self) -> bool:
        return self.change is not None and worse(self.signal, self.change)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFact:
    """The release that serves now; ``previous`` is None where there was none before."""

    version: str
    previous: str | None
    started_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class CauseFacts:
    """What is known when a cause is asked for.

    * ``findings``: what drifted. ``slice``: the slice that was named.
    * ``image_effects``: image signals on the named slice since the onset, whether or not their
      evidence has crossed yet; ``image_changes`` their signed changes.
    * ``onset``: when it began. ``window_s``: length of a window.
    * ``release``: what serves now. ``previous_healthy``: the previous version was healthy on the
      same cells; None where that is not known.
    * ``silent``: windows stopped or shrank.
    * ``standing``: what a plain rule has found on a slice that covers this one, and still finds:
      its cause and its words.
    * ``release_reach_windows``: an onset later than so many windows after a release did not start
      with it. ``onset_slack_windows``: the estimate of an onset may be early by so many.
    """

    findings: tuple[DriftFact, ...]
    slice: Slice = WHOLE
    image_effects: Mapping[str, Effect] = field(default_factory=dict)
    image_changes: Mapping[str, float] = field(default_factory=dict)
    onset: datetime | None = None
    window_s: float = 60.0
    release: ReleaseFact | None = None
    previous_healthy: bool | None = None
    silent: bool = False
    standing: tuple[Cause, str] | None = None
    release_reach_windows: int = 30
    onset_slack_windows: int = 5

    @property
    def novel(self) -> bool:
        """The baseline does not know the named slice."""
        inside = [fact for fact in self.findings if fact.slice == self.slice]
        return any(fact.novel for fact in inside or self.findings)

    @property
    def began_with_release(self) -> bool:
        if self.release is None or self.onset is None or self.release.previous is None:
            return False
        window = timedelta(seconds=self.window_s)
        start = self.release.started_at
        early = self.onset_slack_windows * window
        return start - early <= self.onset <= start + self.release_reach_windows * window

    @property
    def came_with_release(self) -> bool:
        """It began at the release itself, as closely as an onset can be told."""
        if not self.began_with_release or self.release is None or self.onset is None:
            return False
        late = self.onset_slack_windows * timedelta(seconds=self.window_s)
        return self.onset <= self.release.started_at + late


@dataclass(frozen=True, kw_only=True, slots=True)
class CauseDecision:
    """A cause and why, most telling first."""

    cause: Cause
    reasons: tuple[str, ...]


def classify(facts: CauseFacts) -> CauseDecision:
    """Tell causes apart.

    In this order: nothing came (no data); only service signals drifted (service fault); a plain
    rule is broken on the same traffic (its cause); image statistics moved beyond tolerance on the
    named slice (input fault); the slice is new to the baseline (domain shift); it began with a
    release, the previous version was healthy on the same traffic and the new one is worse (model
    regression); embeddings or predictions moved while images are sane and no release explains it
    (domain shift); otherwise unknown.

    Where image statistics moved on all traffic at the very release and the previous version was
    healthy, the release is asked first: taps that record what preprocessing made see its mistakes
    as image drift. The interlock protects against a coincidence.
    """
    if not facts.findings:
        if facts.silent:
            return _decide(Cause.NO_DATA, "windows stopped or shrank; nothing is left to judge")
        return _decide(Cause.UNKNOWN, "nothing drifted")
    kinds = {fact.kind for fact in facts.findings}
    if kinds == {SignalKind.SERVICE}:
        return _decide(
            Cause.SERVICE_FAULT,
            f"only service signals moved: {_names(facts, SignalKind.SERVICE)}",
            *_release_reasons(facts),
        )
    if facts.standing is not None:
        cause, words = facts.standing
        return _decide(cause, f"a plain rule is broken on the same traffic: {words}")
    image = _image_faults(facts)
    if image and facts.came_with_release and facts.slice.is_whole and facts.previous_healthy:
        moved = f"image statistics moved with it on all traffic: {', '.join(image)}"
        return _after_release(facts, f"{moved}; what the tap records is the release's own doing")
    if image:
        return _decide(
            Cause.INPUT_FAULT,
            f"image statistics moved on {facts.slice}: {', '.join(image)}",
            *(
                [f"it began soon after release {facts.release.version}: check its preprocessing"]
                if facts.began_with_release and facts.release is not None
                else []
            ),
        )
    sane = f"image statistics are sane on {facts.slice}"
    if facts.novel:
        return _decide(Cause.DOMAIN_SHIFT, f"{facts.slice} is new: the baseline never saw it", sane)
    if facts.began_with_release:
        return _after_release(facts, sane)
    moved = _names(facts, SignalKind.EMBEDDING, SignalKind.PREDICTION)
    if moved:
        return _decide(
            Cause.DOMAIN_SHIFT,
            f"embeddings or predictions moved: {moved}",
            sane,
            *_release_reasons(facts),
        )
    quality = _names(facts, SignalKind.QUALITY)
    moved = (
        f"only quality moved: {quality}; no input or release explains it"
        if quality
        else f"{_names(facts, *SignalKind)} moved, but on {facts.slice} not surely"
    )
    return _decide(Cause.UNKNOWN, moved, *_release_reasons(facts))


def classify_broken(
    faults: Sequence[HardFault], facts: CauseFacts, *, previous_kept: bool
) -> CauseDecision:
    """The cause where plain rules speak: values that are missing, blank or frozen frames.

    Mostly the images are at fault. Where only what the model says is missing, it came with a
    release, and the version before kept the rule (``previous_kept``), the release is.
    """
    reasons = tuple(dict.fromkeys(fault.reason for fault in faults))
    said_by_model = all(map(_said_by_model, faults))
    if said_by_model and facts.came_with_release and previous_kept and facts.release is not None:
        return _decide(
            Cause.MODEL_REGRESSION,
            *reasons,
            f"it began with release {facts.release.version}; {facts.release.previous} gave values "
            "on the same traffic",
        )
    return _decide(Cause.INPUT_FAULT, *reasons)


def _said_by_model(fault: HardFault) -> bool:
    if fault.kind is HardFaultKind.SCHEMA:
        return fault.signal in (DataFault.CLASSES, DataFault.EMBEDDING_SIZE)
    known = signal_of(fault.signal) if fault.kind is HardFaultKind.MISSING else None
    return known is not None and known.kind in _OF_THE_MODEL


def _after_release(facts: CauseFacts, sane: str) -> CauseDecision:
    assert facts.release is not None
    release = facts.release
    began = f"it began with release {release.version}, which replaced {release.previous}"
    harm = [f"{fact.signal} on {fact.slice}" for fact in facts.findings if fact.worse]
    if facts.previous_healthy is False:
        return _decide(
            Cause.DOMAIN_SHIFT,
            f"{release.previous} showed it on the same traffic",
            began,
            sane,
        )
    if facts.previous_healthy is None:
        return _decide(
            Cause.UNKNOWN, began, f"how {release.previous} did on the same traffic is not known"
        )
    if not harm:
        return _decide(
            Cause.UNKNOWN,
            began,
            f"{release.version} is different, but nothing shows that it is worse",
        )
    return _decide(
        Cause.MODEL_REGRESSION,
        began,
        f"{release.previous} was healthy on the same traffic",
        f"{release.version} is worse: {', '.join(sorted(set(harm)))}",
        sane,
    )


def _image_faults(facts: CauseFacts) -> list[str]:
    effects = dict(facts.image_effects)
    shifts = dict(facts.image_changes)
    for fact in facts.findings:
        if fact.kind is SignalKind.IMAGE and fact.slice == facts.slice and fact.effect is not None:
            effects.setdefault(base_of(fact.signal), fact.effect)
            if fact.change is not None:
                shifts.setdefault(fact.signal, fact.change)
    if facts.novel:
        return sorted(
            name
            for name, effect in effects.items()
            if effect.low > NOVEL_IMAGE_FACTOR * effect.tolerance
            and worse(name, shifts.get(name, 0.0))
        )
    return sorted(name for name, effect in effects.items() if effect.is_large)


def _release_reasons(facts: CauseFacts) -> list[str]:
    if facts.release is None or facts.release.previous is None:
        return ["there was no release that could explain it"]
    if facts.began_with_release:
        return [f"it began with release {facts.release.version}"]
    return [f"it did not begin with release {facts.release.version}"]


def _names(facts: CauseFacts, *kinds: SignalKind) -> str:
    return ", ".join(sorted({fact.signal for fact in facts.findings if fact.kind in kinds}))


def _decide(cause: Cause, *reasons: str) -> CauseDecision:
    return CauseDecision(cause=cause, reasons=reasons)
