"""Several models behind one proxy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from oip_server import OipServer
from proxy_room import Loop, Sink, a_proxy

from monitor.proxy.model_options import ModelOptions, read_models
from monitor.proxy.spec import Plan, Recorded
from vigil.errors import ConfigError

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
CALL = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3, 8, 8], "data": [0.5] * 192}]}
GIVEN = ModelOptions(headers=("X-Camera=camera",), preprocessing="resize-8")


def written(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_names_models_and_leaves_the_rest_to_the_command(tmp_path: Path):
    """The example of the documentation."""
    page = PAGE.read_text(encoding="utf-8")
    text = page[page.index('[[models]]\nmodel = "reader"') :].partition("```")[0]
    models = read_models(written(tmp_path, text), GIVEN)
    assert [(one.model, one.served_name, one.task) for one in models] == [
        ("reader", "reader-trt", "classification"),
        ("plates", "plates", "detection"),
    ]
    recorded = models[1].recorded({"service": "http://v"}, hardware_signals=True)
    assert [use.role for use in recorded.tensors] == ["boxes", "scores", "classes"]
    assert (recorded.headers, recorded.hardware_signals) == ({"x-camera": "camera"}, True)
    assert recorded.tap["preprocessing"] == "resize-8"
    assert recorded.tap["service"] == "http://v"
    plan = Plan(recorded=(recorded, models[0].recorded({}, hardware_signals=False)))
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "expected TOML"),
        ("", "models"),
        ("a = 1\n[[models]]\nmodel = 'm'", "only, found a"),
        ("[[models]]\ntask = 'ocr'", r"models\[0\].model: expected a name"),
        ("[[models]]\nmodel = 'm'\ntensor = 'x'", r"models\[0\].tensor: expected one of hardware"),
        ("[[models]]\nmodel = 'm'\ntensors = 'x'", "expected a list of text, found 'x'"),
        ("[[models]]\nmodel = 'm'\nown_ids = 1", "expected bool, found 1"),
        ("[[models]]\nmodel = 'm'\n[[models]]\nmodel = 'm'", "names of their own"),
    ],
)
def test_a_file_that_can_not_be_used_says_where(tmp_path: Path, text: str, why: str):
    with pytest.raises(ConfigError, match=why):
        read_models(written(tmp_path, text), GIVEN)


def test_each_model_has_its_own_records_and_others_pass(
    event_loop_thread: Loop, server: OipServer, sink: Sink
):
    tap = {"model": "plates", "version": "v0", "service": sink.url}
    second = Recorded(served_name="plates-trt", tap=tap, own_ids=True)
    with (
        server.http() as http,
        a_proxy(event_loop_thread, sink.url, http=http, more=(second,)) as proxy,
    ):
        for name in ("reader", "plates-trt", "plates-trt", "third"):
            server.name = name
            path = f"{proxy.http}/v2/models/{name}/infer"
            httpx.post(path, json={**CALL, "id": "same"}).raise_for_status()
        proxy.wait_for("recorded", 3)
        proxy.wait_for("other_model", 1)
        page = httpx.get(f"{proxy.own}/metrics").text
    assert 'vigil_proxy_recorded_total{model="reader"} 1.0' in page
    assert 'vigil_proxy_recorded_total{model="plates-trt"} 2.0' in page
    found = {
        window.model.name: list(window.sample.ids)
        for window in sink.windows.values()
        if len(window.sample.ids)
    }
    assert found["reader"] == ["same"]
    assert len(found["plates"]) == 2


def test_one_model_is_given_in_one_way(tmp_path: Path):
    from typer.testing import CliRunner

    from monitor.cli.app import app

    path = written(tmp_path, "[[models]]\nmodel = 'm'")
    for given in ([], ["--model", "m", "--models", str(path)]):
        done = CliRunner().invoke(app, ["proxy", *given])
        assert done.exit_code == 2
        assert "either --model or --models" in done.output


def test_a_mistake_in_a_table_names_the_file_and_the_model():
    wrong = replace(GIVEN, model="m", tensors=("pictures=x",))
    with pytest.raises(ConfigError, match=r"models\.toml: m: --tensor: expected ROLE=NAME"):
        wrong.recorded({}, hardware_signals=False, where="models.toml: m")
