"""What no single setting can show to be wrong: settings that contradict or miss one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from monitor.settings import controls
from monitor.settings.addresses import has_login, is_private_way, is_storable, listen_address
from monitor.settings.crosscheck_alerting import cross_check_alerting
from monitor.settings.crosscheck_labelling import labelling_problems
from monitor.settings.crosscheck_retraining import retraining_problems
from monitor.settings.fields import SecretRef, Section
from monitor.settings.problem import Problem
from monitor.settings.rollback import NEEDED, Api
from monitor.settings.schema import Grafana, Service, Settings, WatchedModel
from vigil.catalogue import CATALOGUE, base_of, signal_of

_BY_TOKEN = 'token = { env = "NAME" } or { file = "..." }'
_BY_SECRET = 'secret = { env = "NAME" } or { file = "..." }'


def cross_check(settings: Settings) -> list[Problem]:
    """Every contradiction; empty where there is none."""
    return [
        *_service(settings.service),
        *_models(settings),
        *_grafana(settings.grafana),
        *cross_check_alerting(settings),
        *_secrets(settings, ()),
    ]


def _service(service: Service) -> Iterator[Problem]:
    try:
        listen_address(service.listen)
    except ValueError:
        yield Problem(path=("service", "listen"), expected="host:port", found=repr(service.listen))
    if has_login(service.samples):
        yield _login(("service", "samples"), "the storage's own variables, such as AWS_PROFILE")
    elif not is_storable(service.samples):
        yield Problem(
            path=("service", "samples"),
            expected="a folder, or a URL that fsspec knows",
            found=repr(service.samples),
        )
    key = ("service", "database")
    try:
        url = make_url(service.database)
        usable = service.database.isprintable() and (url.port is None or 0 < url.port < 65536)
    except (ArgumentError, ValueError):
        usable = False
    if not usable:
        yield Problem(path=key, expected="a database URL", found="something else")
        return
    backend = url.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        yield Problem(path=key, expected="sqlite or postgresql", found=backend)
    if url.password is not None:
        yield Problem(
            path=key,
            expected="no password in the URL (name it in service.database_password)",
            found="one",
        )
    if backend == "sqlite" and service.database_password is not None:
        yield Problem(
            path=("service", "database_password"),
            expected="none: SQLite has no password",
            found="one",
        )


def _grafana(grafana: Grafana) -> Iterator[Problem]:
    if grafana.annotations and grafana.token is None:
        yield Problem(
            path=("grafana", "token"), expected="where the token is, for annotations", found="none"
        )


def _models(settings: Settings) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for position, model in enumerate(settings.models):
        path = ("models", position)
        if (model.name, model.deployment) in seen:
            yield Problem(
                path=(*path, "name"),
                expected="each model and deployment once",
                found=f"{model.name} in {model.deployment} again",
            )
        seen.add((model.name, model.deployment))
        for key, count in Counter(model.keys).items():
            if count > 1:
                yield Problem(
                    path=(*path, "keys"), expected="each key once", found=f"{key} {count} times"
                )
        for signal in model.tolerance:
            if signal_of(signal) is None or base_of(signal) != signal:
                yield Problem(
                    path=(*path, "tolerance", signal),
                    expected=f"a signal: {', '.join(CATALOGUE)}",
                    found=repr(signal),
                )
        yield from _actions(model, path)
        yield from retraining_problems(model.retraining, (*path, "retraining"))


def _login(path: tuple[str | int, ...], instead: str) -> Problem:
    """Places are shown to people, stored and logged."""
    return Problem(
        path=path,
        expected="an address without a name or password in it: it is shown; name them by "
        f"{instead}",
        found="one with them",
    )


def _actions(model: WatchedModel, path: tuple[str | int, ...]) -> Iterator[Problem]:
    rollback, soft = model.rollback, model.controls
    for section, rules, needed in (
        ("rollback", rollback, NEEDED[rollback.target]),
        ("controls", soft, controls.NEEDED[soft.target]),
    ):
        for name in needed:
            if getattr(rules, name) is None:
                yield Problem(
                    path=(*path, section, name),
                    expected=f'a value, because target = "{rules.target}"',
                    found="none",
                )
    for name in ("mlflow", "kubernetes", "triton"):
        api: Api | None = getattr(rollback, name)
        if api is not None and has_login(api.url):
            yield _login((*path, "rollback", name, "url"), _BY_TOKEN)
        elif api is not None and api.token is not None and not is_private_way(api.url):
            yield Problem(
                path=(*path, "rollback", name, "url"),
                expected="an https address (http only to this machine), because a token is sent",
                found=repr(api.url),
            )
    if rollback.automatic and rollback.target == "none":
        yield Problem(
            path=(*path, "rollback", "target"),
            expected="a target, because automatic = true",
            found="none",
        )
    yield from labelling_problems(model.relabel, model.class_names, (*path, "relabel"))
    for section, url in (
        ("rollback", rollback.url),
        ("replay", model.replay.url),
        ("controls", soft.url),
    ):
        if url is not None and has_login(url):
            yield _login((*path, section, "url"), _BY_SECRET)
    if model.replay.url is not None and model.replay.secret is None:
        yield Problem(
            path=(*path, "replay", "secret"),
            expected="a value, because replay.url is set",
            found="none",
        )
    if model.replay.url is not None and model.replay.function is not None:
        yield Problem(
            path=(*path, "replay", "function"),
            expected="either url or function",
            found="both",
        )


def _secrets(section: Section, path: tuple[str | int, ...]) -> Iterator[Problem]:
    """Every reference to a secret names one place."""
    if isinstance(section, SecretRef):
        if (section.env is None) == (section.file is None):
            found = "neither" if section.env is None else "both"
            yield Problem(path=path, expected='{ env = "NAME" } or { file = "..." }', found=found)
        return
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _secrets(value, (*path, name))
        elif isinstance(value, tuple):
            for position, item in enumerate(value):
                if isinstance(item, Section):
                    yield from _secrets(item, (*path, name, position))
        elif isinstance(value, dict):
            for key, item in value.items():
                if isinstance(item, Section):
                    yield from _secrets(item, (*path, name, key))
