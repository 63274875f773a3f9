"""From a section of the settings to a rollback target: every kind opens, secrets are read."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetState
from monitor.rollback_targets import open_target, rollback_targets
from monitor.settings.load import parse_settings
from monitor.settings.rollback import NEEDED, Rollback, Target
from vigil.errors import ConfigError

SECTIONS = {
    "registry": "registry = 'r.json'",
    "webhook": "url = 'https://ci.example'\nsecret = { env = 'S' }",
    "mlflow": "[models.rollback.mlflow]\nurl = 'https://m.example'\nmodel = 'reader'\n"
    "token = { env = 'S' }\nuser = 'vigil'",
    "triton": "[models.rollback.triton]\nurl = 'http://triton:8000'\nmodel = 'reader'",
    "command": "[models.rollback.command]\nargv = ['/usr/local/bin/roll', '--back']",
    **dict.fromkeys(
        ("deployment", "argo-undo", "argo-abort", "kserve"),
        "[models.rollback.kubernetes]\nname = 'reader'\ntoken = { file = 'token' }\n"
        "version_at = 'image:model'",
    ),
}

PLAN = RollbackPlan(
    incident_id=1,
    model="reader",
    deployment="production",
    from_version="v2",
    to_version="v1",
    target="x",
)


def settings(target: str, folder: Path):
    text = f"[[models]]\nname = 'reader'\n[models.rollback]\ntarget = '{target}'\n"
    return parse_settings(text + SECTIONS[target], folder / "vigil.toml")


@pytest.mark.parametrize("target", sorted(SECTIONS))
def test_every_target_opens(target, tmp_path, monkeypatch):
    """And asks nothing of its system yet: the service starts while that is away."""
    monkeypatch.setenv("S", "a-secret-0123456789")
    (tmp_path / "token").write_text("a-token-0123456789\n")
    opened = rollback_targets(settings(target, tmp_path))
    assert opened["reader", "production"].kind == target
    assert "secret" not in repr(opened)


def test_every_target_of_the_settings_is_here():
    assert set(get_args(Target)) == {"none", *SECTIONS} == set(NEEDED)


@pytest.mark.parametrize("target", ["webhook", "mlflow", "kserve"])
def test_a_secret_that_is_not_there_is_told_at_the_start(target, tmp_path, monkeypatch):
    """With the setting's name, before a rollback needs it."""
    monkeypatch.delenv("S", raising=False)
    with pytest.raises(ConfigError, match=r"models\.reader\.rollback\.(\w+\.)?(secret|token)"):
        rollback_targets(settings(target, tmp_path))


def test_a_section_that_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"x\.kubernetes: expected a value"):
        open_target(Rollback(target="kserve"), "x")


def test_a_token_that_vanishes_later_is_unclear_and_not_shown(tmp_path):
    """It is read again for each request: a mounted secret may be replaced at any time."""
    token = tmp_path / "token"
    token.write_text("a-token-0123456789")
    target = rollback_targets(settings("deployment", tmp_path))["reader", "production"]
    token.unlink()
    report = target.execute(PLAN)
    assert report.state is TargetState.UNCLEAR
    assert "models.reader.rollback.kubernetes.token: expected the secret in" in report.text


def test_a_certificate_file_that_can_not_be_read_is_told(tmp_path):
    """Neither an exception nor a secret."""
    (tmp_path / "token").write_text("a-token-0123456789")
    (tmp_path / "ca.pem").write_text("no certificate")
    text = SECTIONS["kserve"] + "\nca_file = 'ca.pem'\n"
    head = "[[models]]\nname = 'reader'\n[models.rollback]\ntarget = 'kserve'\n"
    made = rollback_targets(parse_settings(head + text, tmp_path / "vigil.toml"))
    report = made["reader", "production"].execute(PLAN)
    assert report.state is TargetState.UNCLEAR
    assert "ca.pem: can't be read" in report.text
