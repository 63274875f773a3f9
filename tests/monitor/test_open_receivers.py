"""From a section of the settings to a notifier: secrets read, errors named, promises documented."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from monitor.cli.app import app
from monitor.receivers import guarantee_of, open_receiver
from monitor.settings.receivers import Receiver, ReceiverSection
from vigil.errors import ConfigError

MARK = "MarkedSecret0123456789abcdefghij"
HOOK = f"https://hooks.example.org/services/{MARK}"
PAGE = Path(__file__).parents[2] / "docs" / "alerting.md"
SECTIONS = """
[console]
kind = "console"
[slack]
kind = "slack"
token = { env = "S" }
channel = "C1"
[slack-webhook]
kind = "slack-webhook"
url = { env = "U" }
[pagerduty]
kind = "pagerduty"
routing_key = { env = "S" }
[alertmanager]
kind = "alertmanager"
url = "http://am:9093"
token = { env = "S" }
[teams]
kind = "teams"
url = { env = "U" }
[jsm]
kind = "jsm"
key = { env = "S" }
[jira]
kind = "jira"
url = "https://j.example"
user = "u"
token = { env = "S" }
project = "P"
[servicenow]
kind = "servicenow"
url = "https://s.example"
user = "u"
password = { env = "S" }
[email]
kind = "email"
host = "h"
sender = "v@e.org"
to = ["a@e.org"]
user = "u"
password = { env = "S" }
[webhook]
kind = "webhook"
url = "http://h.example/"
secret = { env = "S" }
"""
PLAIN: dict[str, dict[str, Any]] = tomllib.loads(SECTIONS)


def section(kind: str, **values: Any) -> ReceiverSection:
    made: ReceiverSection = TypeAdapter(Receiver).validate_python({**PLAIN[kind], **values})
    return made


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("S", MARK)
    monkeypatch.setenv("U", HOOK)
    return monkeypatch


def test_every_kind_of_the_settings_is_tried_here() -> None:
    union, *_ = get_args(Receiver)
    kinds = {get_args(each.model_fields["kind"].annotation)[0] for each in get_args(union)}
    assert kinds == set(PLAIN)


@pytest.mark.parametrize("kind", PLAIN)
def test_each_kind_opens_under_its_name_and_shows_no_secret(given: Any, kind: str) -> None:
    notifier = open_receiver("mine", section(kind))
    assert notifier.name == "mine"
    assert notifier.guarantee is guarantee_of(section(kind))
    assert MARK not in repr(notifier)
    close = getattr(notifier, "close", None)
    if close:
        close()


@pytest.mark.parametrize("kind", [kind for kind in PLAIN if kind != "console"])
def test_a_secret_that_is_not_there_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("S", "U"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"receivers\.mine\.\w+: expected the secret in the env"):
        open_receiver("mine", section(kind))


@pytest.mark.parametrize("kind", ["slack-webhook", "teams"])
@pytest.mark.parametrize(
    "url", [f"http://hooks.example.org/{MARK}", MARK, f"ftp://h/{MARK}", f"https:///{MARK}"]
)
def test_a_secret_address_must_keep_its_secret(given: Any, kind: str, url: str) -> None:
    """Over http it would be read on its way; and the error does not show it."""
    given.setenv("U", url)
    with pytest.raises(ConfigError, match="an https address") as refused:
        open_receiver("mine", section(kind))
    assert MARK not in str(refused.value)
    given.setenv("U", f"http://127.0.0.1:9/{MARK}")
    open_receiver("mine", section(kind)).close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["jsm", "jira", "servicenow"])
def test_a_password_goes_over_no_open_line(given: Any, kind: str) -> None:
    with pytest.raises(ConfigError, match=r"receivers\.mine\.url: expected an https address"):
        open_receiver("mine", section(kind, url="http://elsewhere.example"))


def test_mail_with_a_password_is_protected_on_its_way(given: Any) -> None:
    with pytest.raises(ConfigError, match="starttls or tls"):
        open_receiver("mine", section("email", security="none"))
    open_receiver("mine", section("email", security="none", host="127.0.0.1"))
    open_receiver("mine", section("email", security="none", user="", password=None))


@pytest.mark.parametrize("address", ["nobody", "a@e.org\nBcc: b@e.org", "@e.org", "jörg@e.org"])
def test_an_address_that_is_none_is_refused(given: Any, address: str) -> None:
    for field in ({"sender": address}, {"to": (address,)}):
        with pytest.raises(ConfigError, match=r"receivers\.mine\.(sender|to): expected addresses"):
            open_receiver("mine", section("email", **field))


@pytest.mark.parametrize("secret", ["a\nb", "pässword", "tab\there"])
def test_a_secret_that_no_header_can_hold_is_refused_unseen(given: Any, secret: str) -> None:
    given.setenv("S", secret)
    with pytest.raises(ConfigError, match="visible ASCII") as refused:
        open_receiver("mine", section("jsm"))
    assert secret not in str(refused.value)


def test_the_page_states_each_guarantee() -> None:
    rows = r"^\| `([a-z-]+)` \| (keyed|reconciled|may repeat)"
    found = dict(re.findall(rows, PAGE.read_text(), re.MULTILINE))
    assert found == {kind: guarantee_of(section(kind)).value.replace("_", " ") for kind in PLAIN}


def test_the_list_shows_what_is_missing(given: Any, tmp_path: Path) -> None:
    """Kind, guarantee, rate, fallback; a receiver without its secret does not hide the others."""
    config = tmp_path / "vigil.toml"
    config.write_text(re.sub(r"^\[", "[receivers.", SECTIONS, flags=re.MULTILINE))
    given.delenv("U")
    shown = CliRunner().invoke(app, ["receivers", "list", "--config", str(config)])
    assert shown.exit_code == 0, shown.output
    by_name = {line.split()[0]: line for line in shown.output.splitlines()}
    assert "keyed" in by_name["pagerduty"]
    assert "the environment variable U" in by_name["teams"]
    assert by_name["email"].rstrip().endswith("yes")
    assert MARK not in shown.output


def test_a_test_page_to_one_receiver_needs_no_other_secret(tmp_path: Path) -> None:
    """What is missing elsewhere is no reason not to try this one."""
    config = tmp_path / "vigil.toml"
    config.write_text(
        '[receivers.console]\nkind = "console"\n'
        '[receivers.team]\nkind = "teams"\nurl = { env = "NOT_SET_HERE" }\n'
    )
    command = ["page", "test", "--config", str(config)]
    assert CliRunner().invoke(app, [*command, "console"]).exit_code == 0
    assert CliRunner().invoke(app, command).exit_code != 0
