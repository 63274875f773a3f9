"""``vigil gate`` as a pipeline calls it: files, exit codes, JUnit, and what is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gate_tables import table
from typer.testing import CliRunner

from monitor.cli.app import app
from monitor.gate.keep import listed
from monitor.services import open_services
from monitor.settings.load import load_settings
from monitor.store import releases

CONFIG = """
[service]
database = "sqlite:///vigil.db"
samples = "samples"

[[models]]
name = "reader"
keys = ["site"]

[models.gate]
margin = 0.02
scenarios = "scenarios.toml"

[[models.guardrails]]
slice = "site=north"
margin = 0.04
"""
SCENARIOS = """
pass_share = 0.8
[[scenarios]]
name = "both sites"
where = { site = "north" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "vigil.toml").write_text(CONFIG)
    (tmp_path / "scenarios.toml").write_text(SCENARIOS)
    np.savez(tmp_path / "v1.npz", **table(2))
    np.savez(tmp_path / "v2.npz", **table(1))
    np.savez(tmp_path / "other.npz", **{**table(1), "labels": (table(1)["labels"] + 1) % 3})
    np.savez(tmp_path / "bad.npz", **table(3, worse=0.1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def gate(*arguments: object, code: int) -> str:
    result = CliRunner().invoke(app, ["gate", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def test_exit_codes_say_what_came_of_it(folder: Path) -> None:
    assert "v2.npz passes against v1.npz: all 4 checks passed." in gate("v2.npz", "v1.npz", code=0)
    assert "fails against v1.npz" in gate("bad.npz", "v1.npz", code=1)
    assert "expected a file" in gate("nothing.npz", "v1.npz", code=2)
    thin = {name: values[:80] for name, values in table(1).items()}
    np.savez(folder / "thin.npz", **thin)
    assert "is not decided" in gate("thin.npz", "v1.npz", code=3)
    gate("thin.npz", "v1.npz", "--inconclusive-exit", 0, code=0)
    assert "--margin" in gate("v2.npz", "v1.npz", "--margin", 7, code=2)


def test_parquet_is_read_and_json_holds_every_number(folder: Path) -> None:
    columns = table(1)
    columns["probabilities"] = columns["probabilities"].tolist()
    pq.write_table(pa.table(columns), folder / "v2.parquet")
    found = json.loads(gate("v2.parquet", "v1.npz", "--by", "site", "--json", code=0))
    assert (found["outcome"], found["exit_code"], found["records"]) == ("pass", 0, 2000)
    assert {one["family"] for one in found["checks"]} >= {"accuracy", "slice", "calibration"}
    assert all(one["low"] <= one["value"] <= one["high"] for one in found["checks"])


def test_junit_has_a_case_for_each_check(folder: Path) -> None:
    gate("bad.npz", "v1.npz", "--by", "site", "--junit", "gate.xml", code=1)
    suite = ElementTree.parse(folder / "gate.xml").getroot()
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases) == 6
    failed = [case.attrib["classname"] for case in cases if case.find("failure") is not None]
    assert "gate.accuracy" in failed
    assert int(suite.attrib["failures"]) == len(failed)


def test_junit_of_a_scenario_has_no_interval(folder: Path) -> None:
    gate("bad.npz", "v1.npz", "--scenarios", "scenarios.toml", "--junit", "gate.xml", code=1)
    told = (folder / "gate.xml").read_text()
    assert "(share wrong 0." in told
    assert ", ;" not in told


def test_the_settings_of_the_model_are_used_and_the_gate_is_kept(folder: Path) -> None:
    services = open_services(load_settings(folder / "vigil.toml"))
    with services.sessions.begin() as session:
        releases.announce(
            session,
            model="reader",
            deployment="production",
            version="v1",
            actor="ci",
            at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    services.close()
    said = gate(
        "v2.npz", "v1.npz", "--model", "reader", "--version", "v2", "--record", "--json", code=0
    )
    found = json.loads(said)
    assert (found["candidate"], found["control"]) == ("v2", "v1")
    limits = {(one["family"], one["name"]): one["limit"] for one in found["checks"]}
    assert limits["accuracy", "all traffic"] == 0.02
    assert limits["slice", "site=north"] == 0.04
    assert ("scenario", "both sites") in limits
    services = open_services(load_settings(folder / "vigil.toml"))
    with services.sessions() as session:
        (row,) = listed(session, "reader")
        assert (row.candidate, row.control, row.outcome) == ("v2", "v1", "pass")
        assert len(row.checks) == len(found["checks"])
    services.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("v2.npz",), "a second file, or --model"),
        (("v2.npz", "v1.npz", "--record"), "--record: expected --model and --version"),
        (("v2.npz", "v1.npz", "--model", "nobody"), "no model nobody"),
        (("v2.npz", "--model", "reader"), "what serves is not known"),
        (("v2.npz", "--model", "reader", "--control-version", "v1"), "no active baseline"),
        (("v2.npz", "v1.npz", "--scenarios", "gone.toml"), "expected a file of scenarios"),
        (("v2.npz", "v1.npz", "--scenarios", "vigil.toml"), "vigil.toml"),
        (
            ("v2.npz", "v1.npz", "--by", "sight"),
            "--by: v2.npz: expected a column sight, found cost",
        ),
        (("other.npz", "v1.npz"), "expected the same labels, found '"),
        (("v2.npz", "v1.npz", "--junit", "no/such/place.xml"), "there is no folder"),
    ],
)
def test_what_is_missing_is_said(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in gate(*arguments, code=2)


def test_a_baseline_stands_for_the_version_that_serves(folder: Path) -> None:
    """Other records: accuracy and slices are compared, and what is not is noted."""
    training = table(5, 4000)
    kept = {name: training[name] for name in ("probabilities", "labels", "site")}
    np.savez(folder / "training.npz", **kept)
    build = ["baseline", "build", "--model", "reader", "--version", "v1", "--from", "training.npz"]
    assert CliRunner().invoke(app, build).exit_code == 0

    def held(file: str, code: int) -> Any:
        options = ("--model", "reader", "--control-version", "v1", "--slice-margin", 0.06)
        return json.loads(gate(file, *options, "--margin", 0.05, "--json", code=code))

    found = held("bad.npz", 1)
    assert found["checks"][0]["outcome"] == "fail"
    assert "other records" in found["notes"][0]
    assert {one["family"] for one in found["checks"]} == {"accuracy", "slice", "scenario"}
    passed = held("v2.npz", 3)
    assert {one["name"]: one["outcome"] for one in passed["checks"]}["all traffic"] == "pass"
