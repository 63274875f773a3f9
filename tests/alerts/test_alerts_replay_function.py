"""A function of the model's owner replays images; whatever it does, the service goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from alerts.actions.replay import ReplayError
from alerts.actions.replay_function import FunctionReplay

IMAGES = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)

MODULE = """
import os, time
import numpy as np

def run(version, images):
    if version != "v1":
        raise KeyError(version)
    print("a model that talks")
    shares = images.reshape(len(images), -1).mean(axis=1) / 255
    return np.stack([shares, 1 - shares], axis=1)

def both(version, images):
    return run(version, images), np.ones((len(images), 3))

def bad(version, images):
    raise ValueError("s3://user:hunter2@bucket")

def hangs(version, images):
    with open(os.environ["WHERE"], "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)

def dies(version, images):
    os.kill(os.getpid(), 11)

def leaves(version, images):
    os._exit(7)

def hungry(version, images):
    return np.ones((5, 500_000_000))

def short(version, images):
    return run(version, images)[:4]

def words(version, images):
    return ["cat"] * len(images)

def nosy(version, images):
    assert "SECRET_OF_THE_SERVICE" not in os.environ
    return run(version, images)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("replay")
    (made / "their_model.py").write_text(MODULE)
    (made / "their_broken_model.py").write_text("import a_module_that_is_not_there\n")
    return made


def through(folder: Path, name: str, **more: object) -> FunctionReplay:
    return FunctionReplay(f"their_model:{name}", folder=folder, **more)  # type: ignore[arg-type]


def test_the_function_gets_the_images_and_gives_probabilities(folder, monkeypatch) -> None:
    """In order, one row an image; what it prints goes nowhere near the answer."""
    answer = through(folder, "run").replay("v1", IMAGES)
    expected = IMAGES.reshape(5, -1).mean(axis=1) / 255
    np.testing.assert_allclose(answer.probabilities[:, 0], expected, rtol=1e-6)
    assert answer.embeddings.shape == (5, 0)
    assert through(folder, "both").replay("v1", IMAGES).embeddings.shape == (5, 3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bad", "their_model:bad raised ValueError"),
        ("dies", "was ended by signal 11"),
        ("leaves", "ended with exit code 7"),
        ("hungry", "needs more than 256 MB"),
        ("short", "does not fit"),
        ("words", "raised ValueError"),
        ("not_there", "can't be imported"),
    ],
)
def test_whatever_it_does_is_no_counterfactual(folder, name: str, said: str) -> None:
    """Not a crash, and nothing of what an exception says: it may be a secret."""
    with pytest.raises(ReplayError, match=said) as told:
        through(folder, name, memory_mb=256).replay("v1", IMAGES)
    assert "hunter2" not in str(told.value)


def test_a_version_that_it_lacks_is_named(folder) -> None:
    with pytest.raises(ReplayError, match="their_model:run does not have v9"):
        through(folder, "run").replay("v9", IMAGES)


def test_a_module_that_cannot_be_imported_is_told(folder) -> None:
    broken = FunctionReplay("their_broken_model:run", folder=folder)
    with pytest.raises(ReplayError, match=r"can't be imported \(ModuleNotFoundError\)"):
        broken.replay("v1", IMAGES)


def test_a_function_that_hangs_is_ended_with_its_process(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WHERE", str(tmp_path / "pid"))
    hanging = through(folder, "hangs", timeout_s=1.5, pass_on=("WHERE",))
    with pytest.raises(ReplayError, match=r"no answer within 1\.5 s"):
        hanging.replay("v1", IMAGES)
    process = int((tmp_path / "pid").read_text())
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail("it still runs")


def test_it_sees_no_secret_of_the_service(folder, monkeypatch) -> None:
    """Beside PATH and the like only what is passed on."""
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "hunter2")
    assert len(through(folder, "nosy").replay("v1", IMAGES).probabilities) == 5


def test_without_images_no_process_is_started(folder) -> None:
    with pytest.raises(ReplayError, match="no images are kept"):
        through(folder, "run").replay("v1", IMAGES[:0])
