"""What a page says, in the order in which a person woken at 3 a.m. needs it.

What is wrong; where; since when; how sure; what vigil did and will do; what you should do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from alerts.shares import shares_of_evidence
from alerts.types import AlertKind, Finding, Incident, Link, Message, MessageEvent
from alerts.wording import (
    clock_time,
    duration,
    finding_words,
    percent,
    short_finding,
    signal_name,
    slice_name,
)
from vigil.types import SignalKind, Slice

_SHOWN = 3
_FOR_EVER_S = 1000 * 365.25 * 86400.0
_LEADING: dict[AlertKind, tuple[SignalKind, ...]] = {
    AlertKind.MODEL_REGRESSION: (SignalKind.QUALITY, SignalKind.PREDICTION),
    AlertKind.INPUT_FAULT: (SignalKind.IMAGE,),
    AlertKind.DOMAIN_SHIFT: (SignalKind.EMBEDDING, SignalKind.PREDICTION),
    AlertKind.SERVICE_FAULT: (SignalKind.SERVICE,),
}
_PREFIX = {
    MessageEvent.RESOLVE: "Resolved: ",
    MessageEvent.ACKNOWLEDGE: "Acknowledged: ",
    MessageEvent.TEST: "Test: ",
}


def ranked(kind: AlertKind, findings: Sequence[Finding], slice: Slice) -> list[Finding]:
    """Most telling first: of the kind that shows the cause, on the incident's slice, then by size.

    Findings that say how far a mean moved come before those that can only say that it did.
    """
    leading = _LEADING.get(kind, ())

    def place(finding: Finding) -> tuple[int, bool, bool, float]:
        by_kind = leading.index(finding.kind) if finding.kind in leading else len(leading)
        mute = finding.before is None and finding.kind is not SignalKind.QUALITY
        return by_kind, finding.slice != slice, mute, -finding.size

    return sorted(findings, key=place)


def headline(
    *,
    kind: AlertKind,
    model: str,
    version: str,
    slice: Slice,
    findings: Sequence[Finding],
    labels: Mapping[str, str],
) -> str:
    """What is wrong, in one line: the title of an incident."""
    first = ranked(kind, findings, slice)[:1]
    told = short_finding(first[0]) if first else ""
    tail = f": {told}" if told else ""
    at = "" if slice.is_whole else f" on {slice_name(slice)}"
    source = "every source" if slice.is_whole else slice_name(slice)
    previous = labels.get("previous_version")
    than = f"worse than {previous}" if previous else "worse than its baseline"
    lines = {
        AlertKind.MODEL_REGRESSION: f"{model} {version} is {than}{at}{tail}",
        AlertKind.INPUT_FAULT: f"Bad images from {source} reach {model}{tail}",
        AlertKind.DOMAIN_SHIFT: f"{model} sees unfamiliar images from {source}{tail}",
        AlertKind.NO_DATA: f"{model} gets no data from {source}{tail}",
        AlertKind.SERVICE_FAULT: f"{model} {version} serves badly{at}{tail}",
        AlertKind.UNKNOWN: f"{model} behaves differently{at}, cause unclear{tail}",
        AlertKind.BASELINE_DRIFT: f"{model} drifted away from its baseline{at}{tail}",
        AlertKind.HARD_FAULT: f"{model} is fed broken data{at}{tail}",
        AlertKind.ROLLBACK_REFUSED: f"{model} {version} needs you: its rollback was refused",
        AlertKind.ROLLBACK_UNPROVEN: f"{model} {version}: the rollback has not proved to help",
        AlertKind.LABELS_SILENT: f"{model} gets no labels any more{tail}",
        AlertKind.VIGIL_SELF: f"vigil itself is in trouble{tail}",
        AlertKind.SERVING_MISMATCH: f"{model}: what serves is not what was meant to{tail}",
    }
    return lines[kind]


def compose(
    incident: Incident,
    *,
    event: MessageEvent,
    id: str,
    now: datetime,
    base_url: str,
    tick_s: float = 60.0,
    done: Sequence[str] = (),
    next_step: str = "",
    todo: str = "",
    note: str = "",
    change: str = "",
    installation: str = "",
) -> Message:
    """Everything that a receiver needs to render an incident's message.

    Args:
        incident: as it stands.
        event: what the message is about.
        id: names the message for ever; the same text twice under one id is one message.
        now: when it is written.
        base_url: of the console.
        tick_s: seconds in a tick, to put evidence in years of watching.
        done: what vigil did or refused, oldest first.
        next_step: what vigil will do; told from the state where empty.
        todo: what the person should do (the runbook's ``first_step``).
        note: what is new since the last message.
        change: what serves now that did not before (a rollback).
        installation: which vigil says it.
    """
    root = base_url.rstrip("/")
    model = f"{root}/models/{quote(incident.model, safe='')}/{quote(incident.deployment, safe='')}"
    over = event is MessageEvent.RESOLVE
    if over:
        todo = "Nothing now. When you are awake, mark whether this alarm was right."
    return Message(
        id=id,
        event=event,
        incident=incident,
        headline=_PREFIX.get(event, "") + incident.title,
        what=_what(incident),
        where=_where(incident),
        since=_since(incident, now),
        how_sure=_how_sure(incident, tick_s),
        done=_done(incident, done, over=over),
        next=next_step or _next(incident),
        todo=todo or "Open the runbook and follow it from the top.",
        runbook_url=f"{root}/runbooks/{quote(incident.runbook, safe='')}?incident={incident.id}",
        incident_url=f"{root}/incidents/{incident.id}",
        links=(Link(text="Model", href=model),),
        note=note,
        change=change,
        installation=installation,
        sent_at=now,
    )


def _what(incident: Incident) -> tuple[str, ...]:
    findings = ranked(incident.kind, incident.findings, incident.slice)
    lines = [_sentence(finding_words(each, beside=incident.slice)) for each in findings[:_SHOWN]]
    if len(findings) > _SHOWN:
        rest = len(findings) - _SHOWN
        lines.append(f"{rest} more signal{'s' if rest > 1 else ''} drifted; see the incident.")
    return tuple(lines) or (_sentence(incident.title),)


def _where(incident: Incident) -> str:
    if incident.kind is AlertKind.VIGIL_SELF:
        return "vigil itself"
    serves = f"{incident.model} {incident.model_version}".strip()
    return f"{slice_name(incident.slice)} of {serves} in {incident.deployment}"


def _since(incident: Incident, now: datetime) -> str:
    start = incident.onset_at or incident.detected_at
    text = clock_time(start, beside=now)
    if incident.resolved_at is not None:
        lasted = duration((incident.resolved_at - start).total_seconds())
        return f"{text}, until {clock_time(incident.resolved_at, beside=now)} ({lasted})"
    text += between_words(incident)
    text += f", {duration((now - start).total_seconds())} ago"
    released = incident.labels.get("release_started_at")
    if released:
        try:
            after_s = (start - datetime.fromisoformat(released)).total_seconds()
        except (ValueError, TypeError):
            return text
        if 0 <= after_s < 6 * 3600:
            text += f"; {duration(after_s)} after {incident.model_version} was released"
    return text


def _how_sure(incident: Incident, tick_s: float) -> str:
    strongest = max(incident.findings, key=lambda each: each.evidence, default=None)
    if strongest is None or strongest.threshold <= 0:
        text = "Certain: a plain rule was broken, no statistics involved."
    elif strongest.effect is None and strongest.reason:
        chance = 1.0 / strongest.threshold
        text = f"Sure: the test that found it errs with probability {chance:.2g} at most."
    else:
        needed = duration(strongest.threshold * tick_s)
        word = "Very sure" if strongest.evidence >= 10 * strongest.threshold else "Sure"
        if strongest.evidence * tick_s < _FOR_EVER_S:
            rare = f"chance alone gets this far once in {duration(strongest.evidence * tick_s)}"
        else:
            rare = "chance alone does not get this far in a thousand years"
        text = f"{word}: {rare} (a page needs {needed})."
    if any(each.provisional for each in incident.findings):
        text += " Provisional: little history to compare with yet."
    shares = shares_words(incident.findings)
    if shares:
        text += f" Evidence: {shares}."
    if incident.reasons:
        text += f" Cause: {'; '.join(incident.reasons[:_SHOWN])}."
    return text


def between_words(incident: Incident) -> str:
    """Where the onset lies (95 %): " (between 14:01:00 and 14:05:00)"; empty where that is not
    known."""
    first, last, at = incident.onset_first_at, incident.onset_last_at, incident.onset_at
    if first is None or last is None or at is None:
        return ""
    return f" (between {first:%H:%M:%S} and {last:%H:%M:%S})"


def shares_words(findings: Sequence[Finding]) -> str:
    """As in "brightness 61%, embeddings 22%, others 17%"; empty where one signal holds it all."""
    shares = list(shares_of_evidence(findings).signals.items())
    if len(shares) < 2:
        return ""
    told = [f"{signal_name(signal)} {percent(share)}" for signal, share in shares[:_SHOWN]]
    rest = sum(share for _, share in shares[_SHOWN:])
    return ", ".join([*told, f"others {percent(rest)}"] if rest else told)


def _next(incident: Incident) -> str:
    following = {
        "open": "vigil keeps watching and tells you here what changes.",
        "acknowledged": "vigil keeps watching and tells you here what changes.",
        "mitigating": "vigil is acting on it now, then checks that it helped.",
        "monitoring": "vigil checks with the same detector that it helped.",
        "resolved": "vigil goes on watching.",
    }
    return following[incident.state.value]


def _done(incident: Incident, done: Sequence[str], *, over: bool) -> tuple[str, ...]:
    if over:
        return (*done, _sentence(", ".join(story(incident))))
    return tuple(done) or ("Nothing so far but tell you.",)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def story(incident: Incident) -> tuple[str, ...]:
    """How long each step took since the onset: "detected 2 s", "paged 3 s", ..."""
    start = incident.onset_at or incident.detected_at
    steps = (
        ("detected", incident.detected_at),
        ("paged", incident.paged_at),
        ("acknowledged", incident.acknowledged_at),
        ("mitigated", incident.mitigated_at),
        ("recovered", incident.recovered_at),
    )
    return tuple(
        f"{name} after {duration((at - start).total_seconds())}"
        for name, at in steps
        if at is not None
    )
