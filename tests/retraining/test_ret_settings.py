"""Settings of retraining: what is missing is named, and each hook is opened with its secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.retraining.hooks.opening import open_hooks
from monitor.settings.load import parse_settings
from monitor.settings.schema import Settings
from vigil.errors import ConfigError


def parsed(text: str, folder: Path) -> Settings:
    whole = f'[[models]]\nname = "reader"\n[models.retraining]\n{text}\n'
    return parse_settings(whole, folder / "vigil.toml")


HOOKS = {
    "webhook": 'url = "http://127.0.0.1:9/retrain"',
    "github": 'repository = "me/models"\nworkflow = "train.yml"',
    "airflow": 'url = "http://127.0.0.1:9/api/v2"\ndag = "train"',
    "argo": 'url = "http://127.0.0.1:9"\ntemplate = "train"',
}


@pytest.mark.parametrize("kind", HOOKS)
def test_each_hook_is_opened_with_its_secret(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "the-secret")
    text = f'hook = "{kind}"\nsecret = {{ env = "HOOK_SECRET" }}\n{HOOKS[kind]}'
    (hook,) = open_hooks(parsed(text, tmp_path)).values()
    assert hook.kind == kind
    assert "the-secret" not in repr(hook)
    hook.close()


@pytest.mark.parametrize("kind", HOOKS)
def test_a_hook_without_its_secret_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"retraining\.secret"):
        parsed(f'hook = "{kind}"\n{HOOKS[kind]}', tmp_path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("automatic = true", "retraining.hook"),
        ('datasets = "nosuch://place"', "retraining.datasets"),
        ('datasets = "sftp://bob:hunter2@host/x"', "without a name or password"),
        ('repository = "no-owner"', "repository"),
        ("judge_after_labels = 3", "judge_after_labels"),
        ("accuracy_below = 1.5", "accuracy_below"),
        ('hook = "jenkins"', "hook"),
    ],
)
def test_what_can_not_be_is_named(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=named):
        parsed(text, tmp_path)


def test_a_secret_that_is_not_there_is_named_by_its_place(tmp_path: Path) -> None:
    text = 'hook = "webhook"\nurl = "http://127.0.0.1:9"\nsecret = { env = "NOT_SET_AT_ALL" }'
    with pytest.raises(ConfigError, match="NOT_SET_AT_ALL"):
        open_hooks(parsed(text, tmp_path))


def test_the_folder_of_datasets_is_beside_the_file(tmp_path: Path) -> None:
    rules = parsed('datasets = "frozen"', tmp_path).models[0].retraining
    assert rules.datasets == str(tmp_path / "frozen")


def test_by_hand_needs_no_hook(tmp_path: Path) -> None:
    settings: Any = parsed("after_labels = 50", tmp_path)
    assert open_hooks(settings) == {}
