"""Where what serves differs from what was meant to. Pure.

Meant is what was announced, what a rollback put back, or what the registry says: whichever said so
last. A difference is told when it has lasted, since releases take their time (``Lasting``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from vigil.build import NO_BUILD, Build


class MismatchCode(StrEnum):
    """Most telling first."""

    REGISTRY = "registry"
    UNINTENDED = "unintended"
    SHARE = "share"
    BUILD = "build"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mismatch:
    """One difference. ``subject`` is the version that it is about."""

    code: MismatchCode
    subject: str
    text: str
    since: datetime

    @property
    def key(self) -> str:
        return f"{self.code.value} {self.subject}"

    def to_json(self) -> dict[str, str]:
        return {
            "code": self.code.value,
            "subject": self.subject,
            "text": self.text,
            "since": self.since.isoformat(),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Mismatch:
        return cls(
            code=MismatchCode(plain["code"]),
            subject=plain["subject"],
            text=plain["text"],
            since=datetime.fromisoformat(plain["since"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """What shall serve since ``at``: ``shares`` of the traffic by version, ``builds`` as far as
    they were said. ``by`` ends a sentence: "was announced by ci". ``any_share``: these versions may
    serve, and nobody says how much each: a canary is over, and what follows was not announced."""

    shares: Mapping[str, float]
    at: datetime
    by: str
    builds: Mapping[str, Build] = field(default_factory=dict)
    any_share: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reality:
    """What windows of the last while show: ``records`` by version and build."""

    records: Mapping[tuple[str, Build], int]

    @property
    def total(self) -> int:
        return sum(self.records.values())

    @property
    def shares(self) -> dict[str, float]:
        """Of the traffic, by version."""
        found: dict[str, float] = {}
        for (version, _), count in self.records.items():
            found[version] = found.get(version, 0.0) + count / self.total
        return found


LEAST_RECORDS = 30
"""Below so many nothing is said of shares."""

LEAST_SHARE = 0.02
"""A version with less of the traffic is not told as unintended: a shadow, a test request."""


def mismatches(
    announced: Intent | None,
    registry: Intent | None,
    reality: Reality,
    *,
    share_tolerance: float,
    at: datetime,
) -> Iterator[Mismatch]:
    """Every difference as of now; nothing where nobody ever said what shall serve."""
    if announced is not None and registry is not None:
        yield from _conflict(announced, registry, at)
    meant = _meant(announced, registry)
    if meant is None or reality.total < LEAST_RECORDS:
        return
    yield from _versions_apart(meant, reality.shares, share_tolerance, at)
    yield from _builds_apart(meant, reality, at)


def _meant(announced: Intent | None, registry: Intent | None) -> Intent | None:
    """A canary is announced beside what the registry says; else the last word counts."""
    if announced is None or registry is None:
        return announced or registry
    agrees = registry.shares.keys() <= announced.shares.keys()
    return announced if agrees or announced.at >= registry.at else registry


def _conflict(announced: Intent, registry: Intent, at: datetime) -> Iterator[Mismatch]:
    for version in sorted(registry.shares.keys() - announced.shares.keys()):
        text = f"the registry says {version}, but {_named(announced)}"
        yield Mismatch(code=MismatchCode.REGISTRY, subject=version, text=text, since=at)


def _versions_apart(
    meant: Intent, shares: Mapping[str, float], tolerance: float, at: datetime
) -> Iterator[Mismatch]:
    for version, share in sorted(shares.items(), key=lambda one: -one[1]):
        if version not in meant.shares and share >= LEAST_SHARE:
            text = f"{version} serves {share:.0%} of the traffic, but {_named(meant)}"
            yield Mismatch(code=MismatchCode.UNINTENDED, subject=version, text=text, since=at)
    for version, share in () if meant.any_share else sorted(meant.shares.items()):
        found = shares.get(version, 0.0)
        if abs(found - share) > tolerance:
            much = f"{found:.0%}" if found else "none of it"
            text = f"{version} should serve {share:.0%} of the traffic, and serves {much}"
            yield Mismatch(code=MismatchCode.SHARE, subject=version, text=text, since=at)


def _builds_apart(meant: Intent, reality: Reality, at: datetime) -> Iterator[Mismatch]:
    for (version, build), count in sorted(
        reality.records.items(), key=lambda one: (one[0][0], one[0][1].items())
    ):
        said = meant.builds.get(version, NO_BUILD)
        wrong = [
            f"{what} {ours} where {theirs} was announced"
            for (what, theirs), (_, ours) in zip(said.items(), build.items(), strict=True)
            if theirs and ours and theirs != ours
        ]
        share = count / reality.total
        if wrong and share >= LEAST_SHARE:
            text = f"{share:.0%} of the traffic runs {version} with {', '.join(wrong)}"
            yield Mismatch(code=MismatchCode.BUILD, subject=version, text=text, since=at)


def remembered(
    fresh: Sequence[Mismatch], known: Sequence[Mismatch], reality: Reality
) -> list[Mismatch]:
    """The differences of now, each since it was first seen without a break.

    What windows showed stands until windows show otherwise: too little traffic is no agreement.
    """
    since = {one.key: one.since for one in known}
    unseen = reality.total < LEAST_RECORDS
    stands = [one for one in known if unseen and one.code is not MismatchCode.REGISTRY]
    return stands + [
        Mismatch(
            code=one.code, subject=one.subject, text=one.text, since=since.get(one.key, one.since)
        )
        for one in fresh
    ]


def lasting(found: Sequence[Mismatch], *, patience_s: float, at: datetime) -> list[Mismatch]:
    """Those that have lasted too long for a release under way, most telling first."""
    old = at - timedelta(seconds=patience_s)
    rank = list(MismatchCode)
    return sorted(
        (one for one in found if one.since <= old), key=lambda one: (rank.index(one.code), one.key)
    )


def _named(meant: Intent) -> str:
    """What was meant, as the end of a sentence."""
    shares = meant.shares
    if meant.any_share:
        return f"{' or '.join(shares)} {meant.by}"
    if len(shares) == 1:
        return f"{next(iter(shares))} {meant.by}"
    each = " and ".join(f"{version} ({share:.0%})" for version, share in shares.items())
    return f"{each} {meant.by}"
