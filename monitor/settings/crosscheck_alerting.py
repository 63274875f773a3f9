"""Whether routes, escalations, digests and heartbeats name what the file declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from alerts.types import AlertKind, Severity
from monitor.settings.alerting import Route, RouteMatch
from monitor.settings.problem import Problem
from monitor.settings.receivers import AlertmanagerReceiver, EmailReceiver
from monitor.settings.schema import Settings

Path = tuple[str | int, ...]

_BEATS = (AlertmanagerReceiver,)


def cross_check_alerting(settings: Settings) -> Iterator[Problem]:
    """Every name that is not declared, and every contradiction."""
    for position, route in enumerate(settings.routes):
        yield from _route(settings, route, ("routes", position), inherited=False)
    for name, policy in settings.escalations.items():
        for position, step in enumerate(policy.steps):
            path: Path = ("escalations", name, "steps", position, "receivers")
            yield from _receivers(settings, step.receivers, path)
    yield from _receivers(settings, settings.digest.receivers, ("digest", "receivers"))
    for each in settings.digest.receivers:
        known = settings.receivers.get(each)
        if known is not None and (known.wakes or isinstance(known, AlertmanagerReceiver)):
            yield Problem(
                path=("digest", "receivers"),
                expected="receivers that wake nobody (chat, mail, tickets)",
                found=f"{each!r}, which is of kind {known.kind}",
            )
    beats: Path = ("heartbeat", "receivers")
    yield from _receivers(settings, settings.heartbeat.receivers, beats)
    for each in settings.heartbeat.receivers:
        known = settings.receivers.get(each)
        if known is not None and not isinstance(known, _BEATS):
            yield Problem(
                path=beats,
                expected="receivers of kind alertmanager (others can't miss a sign of life)",
                found=f"{each!r}, which is of kind {known.kind}",
            )
    yield from _fallbacks(settings)
    yield from _mail(settings)
    yield from _reach(settings)
    yield from _inhibitions(settings)


def _route(settings: Settings, route: Route, path: Path, *, inherited: bool) -> Iterator[Problem]:
    if not route.receivers and not route.routes and not inherited:
        yield Problem(path=(*path, "receivers"), expected="one or more", found="none")
    yield from _receivers(settings, route.receivers, (*path, "receivers"))
    names = {model.name for model in settings.models}
    match = route.match
    if match.model is not None and match.model not in names:
        yield Problem(
            path=(*path, "match", "model"),
            expected="a model of this file",
            found=repr(match.model),
        )
    yield from _declared(match.hours, settings.hours, (*path, "match", "hours"), "hours")
    yield from _declared(
        route.escalation, settings.escalations, (*path, "escalation"), "an escalation"
    )
    for position, inner in enumerate(route.routes):
        yield from _route(
            settings,
            inner,
            (*path, "routes", position),
            inherited=inherited or bool(route.receivers),
        )


def _receivers(settings: Settings, names: Collection[str], path: Path) -> Iterator[Problem]:
    known = ", ".join(settings.receivers) or "none is declared"
    for name in names:
        if name not in settings.receivers:
            yield Problem(
                path=path, expected=f"a receiver of this file ({known})", found=repr(name)
            )


def _declared(name: str | None, known: Collection[str], path: Path, what: str) -> Iterator[Problem]:
    if name is not None and name not in known:
        listed = ", ".join(known) or "none is declared"
        yield Problem(path=path, expected=f"{what} of this file ({listed})", found=repr(name))


def _fallbacks(settings: Settings) -> Iterator[Problem]:
    for name, receiver in settings.receivers.items():
        path: Path = ("receivers", name, "fallback")
        if receiver.fallback is None:
            continue
        yield from _receivers(settings, (receiver.fallback,), path)
        seen, at = {name}, receiver.fallback
        while at in settings.receivers and settings.receivers[at].fallback is not None:
            if at in seen:
                yield Problem(path=path, expected="a chain that ends", found="a circle")
                break
            seen.add(at)
            at = settings.receivers[at].fallback or ""


def _mail(settings: Settings) -> Iterator[Problem]:
    for name, receiver in settings.receivers.items():
        if isinstance(receiver, EmailReceiver) and bool(receiver.user) != bool(receiver.password):
            yield Problem(
                path=("receivers", name, "password"),
                expected="user and password, or neither",
                found="one of them",
            )


def _reach(settings: Settings) -> Iterator[Problem]:
    """A route behind one that matches everything is never asked."""
    closed: int | None = None
    for position, route in enumerate(settings.routes):
        if closed is not None:
            yield Problem(
                path=("routes", position),
                expected="routes that are reached",
                found=f"routes[{closed}], which matches everything, before it",
            )
            return
        if route.match == RouteMatch() and route.receivers and not route.proceed:
            closed = position


def _inhibitions(settings: Settings) -> Iterator[Problem]:
    for position, rule in enumerate(settings.inhibit):
        path: Path = ("inhibit", position)
        if rule.by.get("alertname") == AlertKind.VIGIL_SELF.value:
            yield Problem(
                path=(*path, "by"),
                expected="incidents of models: trouble of vigil itself explains nothing",
                found="vigil_self",
            )
        if rule.by == rule.mute and not rule.equal:
            yield Problem(path=(*path, "mute"), expected="other labels than `by`", found="the same")
        for name, words in (("alertname", set(AlertKind)), ("severity", set(Severity))):
            for side, labels in (("by", rule.by), ("mute", rule.mute)):
                if name in labels and labels[name] not in words:
                    yield Problem(
                        path=(*path, side, name),
                        expected=", ".join(sorted(words)),
                        found=repr(labels[name]),
                    )
