"""A new silence, from what was typed or asked for; with all that is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.labels import RESERVED
from alerts.silences.durations import duration
from alerts.silences.errors import SilenceError, shortened
from alerts.silences.matchers import Matcher, Op, holds_always
from alerts.silences.recurrence import Recurrence, check_zone
from alerts.silences.silence import Silence, SilenceKind, SilenceState

LONGEST = timedelta(days=90)
LONGEST_RECURRING = timedelta(days=366)
MOST_MATCHERS = 20
LONGEST_COMMENT = 2000
FREEZE_LABELS = ("model", "deployment", "owner")


def draft(
    *,
    kind: SilenceKind,
    matchers: Sequence[Matcher],
    starts_at: datetime | None,
    ends_at: datetime,
    recurrence: Recurrence | None = None,
    comment: str,
    actor: str,
    now: datetime,
) -> Silence:
    """A silence without a number; its times in whole seconds. It begins now where not said.

    Raises:
        SilenceError: see ``check``.
    """
    silence = Silence(
        id=0,
        kind=kind,
        matchers=tuple(matchers),
        starts_at=(starts_at or now).astimezone(UTC).replace(microsecond=0),
        ends_at=ends_at.astimezone(UTC).replace(microsecond=0),
        recurrence=recurrence,
        comment=comment.strip(),
        created_by=actor,
        created_at=now,
    )
    check(silence, now)
    return silence


def from_texts(
    *,
    kind: str,
    matchers: Sequence[str],
    start: str = "",
    lasts: str = "",
    until: str = "",
    every: str = "",
    time_zone: str = "",
    comment: str,
    actor: str,
    now: datetime,
) -> Silence:
    """A silence as people type it: from ``start`` for ``lasts`` or ``until`` then; ``every`` rule
    for ``lasts`` each time, ``until`` then. Times without a zone are those of ``time_zone``.

    Raises:
        SilenceError: a part that can't be read, or see ``check``.
    """
    if kind not in set(SilenceKind):
        raise SilenceError(
            f"kind: expected one of {', '.join(SilenceKind)}, found {shortened(kind)!r}"
        )
    zone = check_zone(time_zone or "UTC")
    read = [Matcher.parse(text) for text in matchers if text.strip()]
    starts_at = moment(start, zone, what="start") if start.strip() else now
    recurrence = None
    if every.strip():
        if not lasts.strip() or not until.strip():
            raise SilenceError(
                "a recurring window needs its length (such as 4h) and until when it comes back"
            )
        recurrence = Recurrence(
            rule=every.strip().upper(), time_zone=zone.key, duration=duration(lasts)
        )
    elif bool(lasts.strip()) is bool(until.strip()):
        raise SilenceError("say for how long (such as 2h) or until when, one of the two")
    ends_at = moment(until, zone, what="until") if until.strip() else starts_at + duration(lasts)
    return draft(
        kind=SilenceKind(kind),
        matchers=read,
        starts_at=starts_at,
        ends_at=ends_at,
        recurrence=recurrence,
        comment=comment,
        actor=actor,
        now=now,
    )


def moment(text: str, zone: ZoneInfo, *, what: str) -> datetime:
    """``2026-11-21 09:00`` or ``2026-11-21``, by the clocks of a zone unless it names its own.

    Raises:
        SilenceError: not such a time.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise SilenceError(
            f"{what}: expected a time such as 2026-11-21 09:00, found {shortened(text)!r}"
        ) from None


def later_end(ends_at: datetime, *, lasts: str, until: str, time_zone: str) -> datetime:
    """A later end as people type it: so much longer, or until then.

    Raises:
        SilenceError: neither or both, or one that can't be read.
    """
    if bool(lasts.strip()) is bool(until.strip()):
        raise SilenceError("say by how much (such as 2h) or until when, one of the two")
    if until.strip():
        return moment(until, check_zone(time_zone or "UTC"), what="until")
    return ends_at + duration(lasts)


def matchers_for(labels: Mapping[str, str]) -> tuple[Matcher, ...]:
    """What would silence this fault where it shows, in any version and however severe."""
    wanted = {
        name: value
        for name, value in labels.items()
        if value and (name in ("alertname", "model", "deployment") or name not in RESERVED)
    }
    return tuple(Matcher(label=name, op=Op.EQUAL, value=wanted[name]) for name in wanted)


def check_length(silence: Silence, since: datetime) -> None:
    """Raises:
    SilenceError: it holds too long after a moment.
    """
    longest = LONGEST_RECURRING if silence.recurrence else LONGEST
    if silence.ends_at - since > longest:
        what = "a recurring silence" if silence.recurrence else "a silence"
        raise SilenceError(f"{what} lasts at most {longest.days} days; extend it later")


def check(silence: Silence, now: datetime) -> None:
    """Raises:
    SilenceError: it would never hold, hold too long or hold for everything unsaid.
    """
    if silence.ends_at <= silence.starts_at:
        raise SilenceError("a silence ends after it starts")
    if silence.ends_at <= now:
        raise SilenceError("a silence ends in the future")
    check_length(silence, max(silence.starts_at, now))
    if not silence.matchers or holds_always(silence.matchers):
        raise SilenceError(
            'its matchers hold for anything; to mute everything, say so: alertname=~".+"'
        )
    if len(silence.matchers) > MOST_MATCHERS:
        raise SilenceError(f"a silence has at most {MOST_MATCHERS} matchers")
    if not silence.comment.strip() or len(silence.comment) > LONGEST_COMMENT:
        raise SilenceError(f"say why, in 1 to {LONGEST_COMMENT} characters (comment)")
    if silence.kind is SilenceKind.FREEZE:
        others = sorted({each.label for each in silence.matchers} - set(FREEZE_LABELS))
        if others:
            raise SilenceError(
                f"a freeze is of models: it matches {', '.join(FREEZE_LABELS)}, not {others[0]}"
            )
    if silence.state(now) is SilenceState.EXPIRED:
        raise SilenceError("its recurrence has no window before its end")
