"""Set-up, errors and output of the command line."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.cli import main, output
from monitor.cli.failures import told
from monitor.cli.missing import advice


def test_init_writes_a_configuration_that_loads(run: Any, tmp_path: Path) -> None:
    """The starter is valid as it is."""
    path = tmp_path / "new" / "vigil.toml"
    run("init", str(path))
    shown = json.loads(run("config", "show", "--config", str(path)).stdout)
    assert shown["models"]


def test_init_keeps_a_file_that_is_there(run: Any, config: Path) -> None:
    """A configuration is replaced only with --force."""
    before = config.read_text()
    result = run("init", str(config), code=2)
    assert "--force" in result.stderr
    assert config.read_text() == before
    run("init", str(config), "--force")
    assert config.read_text() != before


def test_a_bad_setting_is_one_line_naming_file_and_key(run: Any, config: Path) -> None:
    """An error says file, key, what was expected and what was found, with no traceback."""
    config.write_text(config.read_text() + "\n[budget]\nfalse_pages = -1\n")
    result = run("models", code=2)
    assert str(config) in result.stderr
    assert "budget.false_pages" in result.stderr
    assert "-1" in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.splitlines()) == 1


def test_secrets_are_read_on_request_and_never_shown(
    run: Any, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``config check`` passes without its secrets; with --secrets each must be there."""
    config.write_text(
        config.read_text()
        + """
[receivers.chat]
kind = "slack"
token = { env = "VIGIL_TEST_SLACK" }
channel = "C1"
"""
    )
    run("config", "check")
    said = run("config", "check", "--secrets", code=2).stderr
    assert "receivers.chat.token" in said
    assert "VIGIL_TEST_SLACK" in said
    monkeypatch.setenv("VIGIL_TEST_SLACK", "xoxb-hidden")
    assert "xoxb-hidden" not in run("config", "check", "--secrets").output
    assert "xoxb-hidden" not in run("config", "show").output


def test_a_missing_configuration_is_told(run: Any, tmp_path: Path) -> None:
    """A file that is not there is named."""
    result = run("status", "--config", str(tmp_path / "none.toml"), code=2)
    assert "none.toml" in result.stderr


def test_a_database_that_is_away_is_told(run: Any, config: Path) -> None:
    """A server that does not answer is one line, and no password is shown."""
    url = "postgresql://vigil:hunter2@127.0.0.1:1/vigil"
    config.write_text(config.read_text().replace("sqlite:///vigil.db", url))
    result = run("models", code=2)
    assert "database" in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    "command",
    [("canary", "end"), ("control", "undo"), ("retrain", "show"), ("incidents", "show")],
)
def test_a_number_that_no_row_can_have_is_one_line(run: Any, command: tuple[str, str]) -> None:
    """Beyond 64 bits no database can be asked for it."""
    result = run(*command, str(10**30), code=2)
    assert result.stderr == "vigil: a number or text that the database can't hold\n"


def test_an_unknown_command_is_refused(run: Any) -> None:
    """A misspelt command exits with 2 and names what was meant."""
    assert "No such command" in run("incidnets", code=2).output


def test_a_fault_of_ours_keeps_its_trace(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only errors that people can mend are shortened."""
    from monitor.cli import queries

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(queries, "fleet", broken)
    result = run("models", code=1)
    assert isinstance(result.exception, ZeroDivisionError)
    assert told(ZeroDivisionError()) is None


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch", "demo"),
        ("evidently.legacy", "reports"),
        ("psycopg", "postgres"),
        ("grafana_client.api", "grafana"),
        ("jinja2", "server"),
    ],
)
def test_a_library_that_is_missing_names_its_extra(module: str, extra: str) -> None:
    """The advice is a pip command that brings the library."""
    text = advice(ModuleNotFoundError("no", name=module))
    assert text is not None
    assert f"vigil-cv[{extra}]" in text


def test_a_module_of_ours_that_is_missing_is_a_fault() -> None:
    """No extra brings a module that vigil itself lost."""
    assert advice(ModuleNotFoundError("no", name="monitor.gone")) is None


def test_without_the_server_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the base install alone, ``vigil`` ends with one line of advice."""
    real = builtins.__import__

    def without_typer(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> Any:
        if name.partition(".")[0] == "typer":
            raise ModuleNotFoundError("No module named 'typer'", name="typer")
        return real(name, globals, locals, fromlist, level)

    for name in [n for n in sys.modules if n.startswith("monitor.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without_typer)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "pip install 'vigil-cv[server]'" in capsys.readouterr().err


def test_rows_keep_their_columns_whatever_is_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets in a name are text, not mark-up; times are UTC; nothing is nothing."""
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    output.rows(
        [{"name": "[red]x[/red]", "at": at, "n": 1.23456789, "none": None, "ok": True}],
        empty="none",
        json_wanted=False,
    )
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "at", "n", "none", "ok"]
    assert line.split() == ["[red]x[/red]", "2026-01-02", "03:04:05Z", "1.235", "yes"]


def test_no_rows_are_explained_to_people_and_empty_to_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A person reads why there is nothing; a program reads an empty array."""
    output.rows([], empty="Nothing yet.", json_wanted=False)
    output.rows([], empty="Nothing yet.", json_wanted=True)
    assert capsys.readouterr().out == "Nothing yet.\n[]\n"
