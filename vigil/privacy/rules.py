"""What may leave the process of a model: one value, given to the tap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from vigil.arguments import whole_of
from vigil.privacy.redaction import Redact
from vigil.privacy.salt import Salt

Pixels = Literal["none", "thumbnails", "full"]
Treatment = Literal["keep", "hash", "drop"]
WithoutConsent = Literal["count", "drop"]

PIXELS: tuple[Pixels, ...] = get_args(Pixels)
TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)
WITHOUT_CONSENT: tuple[WithoutConsent, ...] = get_args(WithoutConsent)
MOST_NAMES = 64
DEFAULT_PICTURE_BYTES = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Privacy:
    """What of the records may leave the process. By default: no pixels, everything else.

    Args:
        pixels: of sampled records ``none``, ``thumbnails`` (no side longer than 64 pixels), or
            ``full``: thumbnails, and the whole picture as PNG.
        picture_bytes: a whole picture that needs more is not kept, only its thumbnail.
        redact: one hook or several (``vigil.privacy.Blur``, ``Fill``, ``Pixelate``, ``Crop``, or
            your own ``Redact``) that every picture passes before anything of it is kept.
        metadata: the keys that may leave; None for all.
        hash_metadata: keys whose values leave as hashes only.
        ids: ``hash`` for the ids that you give; those that the tap makes hold no more than the
            name of this source and a number.
        uris, trace_ids: ``keep``, ``hash`` or ``drop``.
        consent: metadata keys that say whether the record may be kept: none where one of them is
            missing or false (false, 0, no, off, n, f, none, null, denied, nothing).
        without_consent: ``count`` adds such a record to the sums and keeps nothing else of it;
            ``drop`` does not even count it.
        salt: of the hashes.

    Raises:
        ValueError: a choice that there is not, or names that are not text.
    """

    pixels: Pixels = "none"
    picture_bytes: int = DEFAULT_PICTURE_BYTES
    redact: Redact | Sequence[Redact] | None = None
    metadata: tuple[str, ...] | None = None
    hash_metadata: tuple[str, ...] = ()
    ids: Literal["keep", "hash"] = "keep"
    uris: Treatment = "keep"
    trace_ids: Treatment = "keep"
    consent: tuple[str, ...] = ()
    without_consent: WithoutConsent = "count"
    salt: Salt = field(default_factory=Salt)

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            found = getattr(self, name)
            if found not in choices:
                raise ValueError(
                    f"privacy.{name}: expected one of {', '.join(choices)}, found {found!r:.80}"
                )
        for name in ("metadata", "hash_metadata", "consent"):
            found = getattr(self, name)
            if found is not None:
                object.__setattr__(self, name, _names(name, found))
        whole_of("privacy.picture_bytes", self.picture_bytes, least=0)
        if any(not callable(hook) for hook in self.hooks):
            raise ValueError("privacy.redact: expected a function or several")

    @property
    def hooks(self) -> tuple[Redact, ...]:
        """The redactions, in order."""
        if self.redact is None:
            return ()
        return tuple(self.redact) if isinstance(self.redact, Sequence) else (self.redact,)

    @property
    def hashes(self) -> bool:
        """Whether anything leaves as a hash."""
        return "hash" in (self.ids, self.uris, self.trace_ids) or bool(self.hash_metadata)

    @property
    def changes_records(self) -> bool:
        """Whether ids, URIs or metadata leave otherwise than they came."""
        return (
            self.hashes
            or bool(self.consent)
            or self.metadata is not None
            or "drop" in (self.uris, self.trace_ids)
        )

    @property
    def keeps_from_devices(self) -> bool:
        """Whether records must pass through this process's memory to be made ready."""
        return bool(self.hooks) or self.pixels == "full" or bool(self.consent)

    @property
    def as_policy(self) -> Policy:
        """The same, as it is asked of others."""
        return Policy(**{name: getattr(self, name) for name in _ASKED})

    def stricter(self, policy: Policy) -> Privacy:
        """This, and what the service asks for: of each the stricter, never the looser."""
        keys = self.metadata
        if policy.metadata is not None:
            keys = (
                policy.metadata if keys is None else tuple(k for k in keys if k in policy.metadata)
            )
        return replace(
            self,
            pixels=min(self.pixels, policy.pixels, key=PIXELS.index),
            metadata=keys,
            hash_metadata=_union(self.hash_metadata, policy.hash_metadata),
            ids=max(self.ids, policy.ids, key=TREATMENTS.index),
            uris=max(self.uris, policy.uris, key=TREATMENTS.index),
            trace_ids=max(self.trace_ids, policy.trace_ids, key=TREATMENTS.index),
            consent=_union(self.consent, policy.consent),
            without_consent=max(
                self.without_consent, policy.without_consent, key=WITHOUT_CONSENT.index
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What the service asks of every tap of a model; as in ``Privacy``. Nothing by default."""

    pixels: Pixels = "full"
    metadata: tuple[str, ...] | None = None
    hash_metadata: tuple[str, ...] = ()
    ids: Literal["keep", "hash"] = "keep"
    uris: Treatment = "keep"
    trace_ids: Treatment = "keep"
    consent: tuple[str, ...] = ()
    without_consent: WithoutConsent = "count"

    def to_json(self) -> dict[str, Any]:
        """What it asks for; empty where it asks for nothing."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name in _ASKED
            if (value := getattr(self, name)) != getattr(NO_POLICY, name)
        }

    @classmethod
    def from_json(cls, plain: object) -> Policy:
        """Raises:
        ValueError: not a policy, or one of a newer vigil.
        """
        if not isinstance(plain, Mapping) or set(plain) - set(_ASKED):
            raise ValueError("policy: expected what is known here")
        found: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()
        }
        checked = Privacy(**found)
        return cls(**{name: getattr(checked, name) for name in found})


_ASKED = (
    "pixels",
    "metadata",
    "hash_metadata",
    "ids",
    "uris",
    "trace_ids",
    "consent",
    "without_consent",
)
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "pixels": PIXELS,
    "ids": ("keep", "hash"),
    "uris": TREATMENTS,
    "trace_ids": TREATMENTS,
    "without_consent": WITHOUT_CONSENT,
}
NO_POLICY = Policy()
STRICTEST = Policy(pixels="none", metadata=(), ids="hash", uris="drop", trace_ids="drop")
"""For who can't read what the service asks for."""


def _names(what: str, value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list | tuple | set | frozenset) else None
    if names is None or len(names) > MOST_NAMES or not all(isinstance(one, str) for one in names):
        raise ValueError(
            f"privacy.{what}: expected at most {MOST_NAMES} names, found {value!r:.80}"
        )
    return tuple(names)


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
