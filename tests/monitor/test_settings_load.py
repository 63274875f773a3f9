"""The configuration: every mistake is named with its place, and secrets are never shown."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

import pytest

from monitor.settings.fields import SecretRef
from monitor.settings.load import SettingsError, load_settings, parse_settings
from monitor.settings.schema import Settings
from monitor.settings.secrets import Secret, read_secret
from monitor.settings.starter import starter_text
from vigil.errors import ConfigError

FILE = Path("/etc/vigil/vigil.toml")


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        parse_settings(text, FILE)
    return [str(problem) for problem in error.value.problems]


def test_starter_loads_and_says_something() -> None:
    """What `vigil init` writes is a configuration that works, with a route and a model."""
    settings = parse_settings(starter_text(), FILE)
    assert [model.name for model in settings.models] == ["my-model"]
    assert settings.routes[0].receivers == ("terminal",)
    assert settings.service.database == "sqlite:////etc/vigil/var/vigil.db"


def test_empty_file_means_the_defaults() -> None:
    """Nothing must be set to start."""
    settings = parse_settings("", FILE)
    assert settings.budget == Settings().budget
    assert settings.service.listen == "127.0.0.1:8080"


def test_paths_are_beside_the_file() -> None:
    """Relative paths get the folder of the file; absolute ones and URLs stay."""
    settings = parse_settings(
        """
        runbooks = "books"
        [service]
        database = "sqlite:////data/v.db"
        samples = "s3://bucket/x"
        session_secret = { file = "secret.txt" }
        [[models]]
        name = "a"
        [models.rollback]
        target = "registry"
        registry = "reg.json"
        [models.relabel]
        folder = "out"
        [receivers.p]
        kind = "pagerduty"
        routing_key = { file = "/run/key" }
        """,
        FILE,
    )
    model = settings.models[0]
    assert settings.service.database == "sqlite:////data/v.db"
    assert settings.service.samples == "s3://bucket/x"
    assert settings.service.session_secret == SecretRef(file=Path("/etc/vigil/secret.txt"))
    assert settings.runbooks == Path("/etc/vigil/books")
    assert model.rollback.registry == Path("/etc/vigil/reg.json")
    assert model.relabel.folder == "/etc/vigil/out"
    assert settings.receivers["p"].routing_key.file == Path("/run/key")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[service]\nwindow_s = -3",
            "line 2: service.window_s: expected greater than or equal to 0.1, found -3",
        ),
        (
            "[service]\nwindow_s = 'fast'",
            "line 2: service.window_s: expected a valid number, found 'fast'",
        ),
        (
            "[service]\n\nlistne = 'x'",
            "line 3: service.listne: expected a known key (did you mean listen?), found an "
            "unknown key",
        ),
        (
            "[[models]]\nowner = 'x'",
            "line 1: models[0].name: expected a value, found none",
        ),
        (
            "[[models]]\nname = 'a'\n[[models]]\nname = 'b'\n[models.rollback]\ntarget = 'k8s'",
            "line 6: models[1].rollback.target: expected 'none', 'registry', 'webhook', 'mlflow', "
            "'deployment', 'argo-undo', 'argo-abort', 'kserve', 'triton' or 'command', found 'k8s'",
        ),
        (
            "[[models]]\nname = 'a'\nkeys = ['1', '2', '3', '4', '5']",
            "line 3: models[0].keys: expected tuple should have at most 4 items after "
            "validation, not 5, found a list",
        ),
        (
            "[receivers.x]\nkind = 'mail'",
            "line 2: receivers.x.kind: expected 'console', 'slack', "
            "'slack-webhook', 'pagerduty', 'alertmanager', 'teams', 'jsm', 'jira', 'servicenow', "
            "'email', 'webhook', found 'mail'",
        ),
        (
            "[receivers.x]\nchannel = 'c'",
            "line 1: receivers.x: expected a table with kind = slack, pagerduty or console, "
            "found no kind",
        ),
        (
            "[[routes]]\nreceivers = ['nobody']",
            "line 2: routes[0].receivers: expected a receiver of this file (none is declared), "
            "found 'nobody'",
        ),
        (
            "[[routes]]\nreceivers = []",
            "line 2: routes[0].receivers: expected one or more, found none",
        ),
        (
            "[receivers.t]\nkind='console'\n[[routes]]\nreceivers = ['t']\n"
            "match = { model = 'zzz' }",
            "line 5: routes[0].match.model: expected a model of this file, found 'zzz'",
        ),
        (
            "[[models]]\nname = 'a'\n[[models]]\nname = 'a'",
            "line 4: models[1].name: expected each model and deployment once, found a in "
            "production again",
        ),
        (
            "[[models]]\nname = 'a'\nkeys = ['k', 'k']",
            "line 3: models[0].keys: expected each key once, found k 2 times",
        ),
        (
            "[[models]]\nname = 'a'\n[models.rollback]\ntarget = 'kserve'",
            'line 3: models[0].rollback.kubernetes: expected a value, because target = "kserve", '
            "found none",
        ),
        (
            "[[models]]\nname = 'a'\n[models.rollback.kubernetes]\nname = 'a'\n"
            "url = 'http://k8s.example'\ntoken = { env = 'T' }",
            "line 5: models[0].rollback.kubernetes.url: expected an https address (http only to "
            "this machine), because a token is sent, found 'http://k8s.example'",
        ),
        (
            "[[models]]\nname = 'a'\n[models.rollback.kubernetes]\nname = 'a'\nversion_at = 'tag'",
            "line 5: models[0].rollback.kubernetes.version_at: expected label:KEY, "
            "annotation:KEY, env:NAME or image:CONTAINER, found 'tag'",
        ),
        (
            "[[models]]\nname = 'a'\n[models.rollback.triton]\nmodel = 'a'\n"
            "url = 'http://t'\nversions = 'v'",
            "line 6: models[0].rollback.triton.versions: expected {number}, or a name around it, "
            "found 'v'",
        ),
        (
            "[[models]]\nname = 'a'\n[models.rollback]\ntarget = 'registry'",
            'line 3: models[0].rollback.registry: expected a value, because target = "registry", '
            "found none",
        ),
        (
            "[[models]]\nname = 'a'\n[models.rollback]\nautomatic = true",
            "line 3: models[0].rollback.target: expected a target, because "
            "automatic = true, found none",
        ),
        (
            "[[models]]\nname = 'a'\n[models.replay]\nurl = 'http://x'\nsecret = { env = 'S' }\n"
            "function = 'replaying:run'",
            "line 6: models[0].replay.function: expected either url or function, found both",
        ),
        (
            "[service]\nsamples = 's3://ada:hunter2@bucket/samples'",
            "line 2: service.samples: expected an address without a name or password in it: it is "
            "shown; name them by the storage's own variables, such as AWS_PROFILE, found one with "
            "them",
        ),
        (
            "[[models]]\nname = 'a'\n[models.replay]\nurl = 'https://ada:hunter2@x/replay'\n"
            "secret = { env = 'S' }",
            "line 4: models[0].replay.url: expected an address without a name or password in it: "
            'it is shown; name them by secret = { env = "NAME" } or { file = "..." }, found one '
            "with them",
        ),
        (
            "[[models]]\nname = 'a'\n[models.rollback]\ntarget = 'webhook'\n"
            "url = 'https://ada:hunter2@x'\nsecret = { env = 'S' }",
            "line 5: models[0].rollback.url: expected an address without a name or password in it: "
            'it is shown; name them by secret = { env = "NAME" } or { file = "..." }, found one '
            "with them",
        ),
        (
            "[[models]]\nname = 'a'\n[models.controls]\ntarget = 'webhook'\n"
            "url = 'https://ada:hunter2@x'\nsecret = { env = 'S' }",
            "line 5: models[0].controls.url: expected an address without a name or password in it: "
            'it is shown; name them by secret = { env = "NAME" } or { file = "..." }, found one '
            "with them",
        ),
        (
            "[[models]]\nname = 'a'\n[models.rollback]\ntarget = 'mlflow'\n"
            "[models.rollback.mlflow]\nurl = 'http://ada:hunter2@mlflow'\nmodel = 'm'\n"
            "token = { env = 'T' }",
            "line 6: models[0].rollback.mlflow.url: expected an address without a name or password "
            'in it: it is shown; name them by token = { env = "NAME" } or { file = "..." }, found '
            "one with them",
        ),
        (
            "[[models]]\nname = 'a'\n[models.replay]\nurl = 'http://x'",
            "line 3: models[0].replay.secret: expected a value, because replay.url is set, "
            "found none",
        ),
        (
            "[service]\nlisten = '8080'",
            "line 2: service.listen: expected host:port, found '8080'",
        ),
        (
            "[service]\nurl = 'vigil.local'",
            "line 2: service.url: expected an http(s) address, found 'vigil.local'",
        ),
        (
            "[service]\ndatabase = 'mysql://h/x'",
            "line 2: service.database: expected sqlite or postgresql, found mysql",
        ),
        (
            "[service]\ndatabase = 'nonsense'",
            "line 2: service.database: expected a database URL, found something else",
        ),
        (
            "[service]\ndatabase_password = { env = 'P' }",
            "line 2: service.database_password: expected none: SQLite has no password, found one",
        ),
        (
            "[grafana]\ntoken = { }",
            'line 2: grafana.token: expected { env = "NAME" } or { file = "..." }, found neither',
        ),
    ],
)
def test_mistake_is_named_with_its_place(text: str, expected: str) -> None:
    """Line, key, what was expected, what was found."""
    assert problems(text) == [expected]


def test_unknown_signal_lists_the_known_ones() -> None:
    """A tolerance for a signal that does not exist is refused."""
    (found,) = problems("[[models]]\nname = 'a'\ntolerance = { sharpnes = 0.1 }")
    assert found.startswith("line 3: models[0].tolerance.sharpnes: expected a signal: brightness,")
    assert found.endswith("found 'sharpnes'")


def test_all_mistakes_are_listed_at_once() -> None:
    """One run of the check shows everything, each line with the file's name."""
    text = "[service]\nwindow_s = 0\nlatenes_s = 1\n[budget]\nfalse_pages = -1\n"
    with pytest.raises(ConfigError) as error:
        parse_settings(text, FILE)
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("/etc/vigil/vigil.toml: line ") for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "[receivers.s]\nkind = 'slack'\nchannel = 'c'\ntoken = 'xoxb-hidden'",
        "[receivers.s]\nkind = 'slack'\nchannel = 'c'\ntoken = { env = 3, file = ['xoxb-hidden'] }",
        "[receivers.s]\nkind = 'slak'\ntoken = 'xoxb-hidden'",
        "[receivers.s]\nkind = 'slack'\nchannel = 'c'\ntokn = 'xoxb-hidden'",
        "[service]\ndatabase = 'postgresql://u:xoxb-hidden@h/x'",
        "[[models]]\nname='a'\n[models.rollback]\nsecret = 'xoxb-hidden'",
    ],
)
def test_secret_written_into_the_file_is_refused_and_not_shown(text: str) -> None:
    """The error points at it without repeating it, also in the traceback."""
    with pytest.raises(ConfigError) as error:
        parse_settings(text, FILE)
    assert "hidden" not in "".join(traceback.format_exception(error.value))


def test_file_that_can_not_be_read(tmp_path: Path) -> None:
    """Missing, not TOML, not text: each says so with the name of the file."""
    with pytest.raises(ConfigError, match="a file that can be read, found No such file"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_text("[service\n")
    with pytest.raises(ConfigError, match=r"a\.toml: file: expected TOML, found .*line 1"):
        load_settings(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="found not UTF-8"):
        load_settings(tmp_path / "b.toml")


def test_good_file_is_loaded(tmp_path: Path) -> None:
    """From the disk, with its folder."""
    (tmp_path / "v.toml").write_text('[service]\nsamples = "s"\n')
    assert load_settings(tmp_path / "v.toml").service.samples == str(tmp_path / "s")


def test_secret_is_read_from_its_place(tmp_path: Path) -> None:
    """An environment variable, or a file without its last line break."""
    found = read_secret(SecretRef(env="X"), key="k", environ={"X": "abc"})
    assert found.reveal() == "abc"
    (tmp_path / "s").write_text("def\n")
    assert read_secret(SecretRef(file=tmp_path / "s"), key="k").reveal() == "def"


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        (SecretRef(env="NONE"), "environment variable NONE, found nothing"),
        (SecretRef(file=Path("/none/at/all")), "found No such file or directory"),
        (SecretRef(), "either env or file"),
        (SecretRef(env="X", file=Path("y")), "either env or file"),
    ],
)
def test_secret_that_is_not_there_is_a_clear_error(ref: SecretRef, message: str) -> None:
    """The key and the place are named."""
    with pytest.raises(ConfigError, match=message) as error:
        read_secret(ref, key="service.session_secret", environ={})
    assert error.value.key == "service.session_secret"


def test_secret_does_not_show_itself() -> None:
    """Not by repr, str, format, an f-string, a container or pickle."""
    secret = Secret("hidden")
    shown = f"{secret!r} {secret} {secret:>30} {[secret]} {secret!s}"
    assert "hidden" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret == Secret("hidden") != Secret("other")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[service]\nwindow_s = inf", "expected less than or equal to 86400, found inf"),
        ('[service]\nwindow_s = "60"', "expected a valid number, found '60'"),
        ("[service]\nwindow_s = true", "expected a valid number, found True"),
        ("[retention]\nwindows_days = 1e300", "expected less than or equal to 36500"),
        ("[checks]\nmin_history = 99999999999999999999", "expected less than or equal to 1000000"),
        ('[service]\nlisten = "a b:80"', "service.listen: expected host:port"),
        ('[service]\nlisten = "[::1"', "service.listen: expected host:port"),
        ('[service]\nlisten = "127.0.0.1:٣"', "service.listen: expected host:port"),
        ('[service]\nurl = "http://"', "service.url: expected an http(s) address"),
        ('[service]\nurl = "http://a:99999"', "service.url: expected an http(s) address"),
        ('[service]\nurl = "http://a\\nb"', "service.url: expected an http(s) address"),
        ('[service]\ndatabase = "postgresql://h:abc/d"', "service.database: expected a database"),
        ('[service]\ndatabase = "postgresql://h:99999/d"', "service.database: expected a database"),
        ('[service]\ndatabase = "sqlite:///a\\u0000b"', "service.database: expected a database"),
        ('[service]\nsamples = "nope://x"', "service.samples: expected a folder, or a URL"),
        ('[service]\nsamples = ""', "service.samples: expected at least 1 char"),
        (
            '[[models]]\nname = "a"\nrelabel = { folder = "nope://x" }',
            "relabel.folder: expected a f",
        ),
        (
            '[[models]]\nname = "a"\nrollback = { target = "webhook", url = "x", secret = {} }',
            "rollback.url: expected an http(s) address, found 'x'",
        ),
        (
            '[[models]]\nname = "a"\nrollback = { automatic = "yes" }',
            "rollback.automatic: expected a valid boolean, found 'yes'",
        ),
        ('[grafana]\nurl = "nope"', "grafana.url: expected an http(s) address"),
        ("[service]\nwindow_s = " + "9" * 5000, "file: expected TOML, found"),
        ("a = " + "[" * 5000, "file: expected TOML, found"),
    ],
)
def test_absurd_value_is_named_before_it_does_harm(text: str, expected: str) -> None:
    """Infinite times, numbers as text, addresses that can't be, files of endless nesting."""
    assert any(expected in problem for problem in problems(text))


def test_a_secret_in_place_of_its_variable_is_not_shown() -> None:
    """A token pasted where the name of its variable belongs is refused, and not repeated."""
    text = '[receivers.a]\nkind = "slack"\nchannel = "C1"\ntoken = { env = "xoxb-1-SECRET" }'
    (problem,) = problems(text)
    assert "receivers.a.token.env: expected text like" in problem
    assert "SECRET" not in problem
