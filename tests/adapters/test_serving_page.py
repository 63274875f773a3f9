"""The examples of docs/serving.md run as they stand."""

from __future__ import annotations

import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer.main
from onnx_model import model

from monitor.cli.app import app
from monitor.proxy.proxy_metrics import HELP
from monitor.proxy.tensor_use import ROLES, TensorUse
from monitor.proxy.triton_metrics import TRITON_SIGNALS

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NOWHERE = "http://127.0.0.1:1"


def example(word: str) -> str:
    (found,) = [block for block in BLOCKS if word in block]
    return found.replace("http://vigil:8080", NOWHERE)


def run(source: str, **scope: Any) -> dict[str, Any]:
    exec(source, scope)
    return scope


def test_onnx_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The model here takes vectors, so no images; its tensors have other names."""
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(model(width=4))
    source = example("RecordedSession(").replace("probabilities", "scores")
    source = source.replace('"input": batch', '"x": batch').replace('images="input",', "")
    scope = run(source, batch=np.ones((2, 4), np.float32))
    assert scope["session"].counts == {"recorded": 1}
    scope["tap"].close(0.1)


def test_hardware():
    scope = run(
        example("HardwareReader()").replace('"v7", signals', f'"v7", service="{NOWHERE}", signals'),
        outputs=np.full((2, 3), 1 / 3, np.float32),
    )
    assert scope["tap"].dropped == {}
    scope["tap"].close(0.1)


def test_torchserve(monkeypatch: pytest.MonkeyPatch):
    names = ("ts", "ts.torch_handler", "ts.torch_handler.image_classifier")
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules[names[-1]].ImageClassifier = type("ImageClassifier", (), {})  # type: ignore[attr-defined]
    handler = run(example("ImageClassifier"))["Handler"]
    assert handler().to_record(None, np.zeros(2)).keys() == {"outputs"}


def test_commands_of_the_proxy_are_whole_and_their_tensors_are_understood():
    """Every option on the page is one, also in a sentence; so is every role."""
    command = typer.main.get_command(app).get_command(None, "proxy")  # type: ignore[attr-defined,arg-type]
    known = {option for one in command.params for option in one.opts}
    said = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert said - known == set()
    shown = re.findall(r"(?m)^    vigil proxy ((?:.*\\\n)*.*)", PAGE)
    assert len(shown) == 2
    for text in shown:
        words = shlex.split(text.replace("\\\n", " "))
        command.make_context("proxy", list(words))
        for option, value in pairwise(words):
            if option == "--tensor":
                TensorUse.parse(value)
    assert [role for role in ROLES if f"`{role}" not in PAGE] == []


def test_every_metric_of_the_proxy_is_on_the_page():
    assert [one for one in HELP if "triton" not in one and f"`{one}`" not in PAGE] == []
    totals = re.search(r"vigil_proxy_triton_\{(.*?)\}_total", PAGE)
    assert totals is not None
    named = {f"vigil_proxy_triton_{one}_total" for one in totals[1].split(",")}
    named.add("vigil_proxy_triton_pending")
    assert named == {name for name in HELP if "triton" in name}
    assert [one.name for one in TRITON_SIGNALS if f"`{one.name}`" not in PAGE] == []
