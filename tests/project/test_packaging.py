"""The wheel works outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import structure

ROOT = structure.ROOT
LEFT_BEHIND = {".git", ".venv", "build", "dist", "tests", "var", ".make"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout, with what is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    shutil.copytree(
        ROOT,
        copy,
        ignore=lambda directory, names: [
            name
            for name in names
            if name == "__pycache__"
            or name.endswith(("_cache", ".egg-info"))
            or (Path(directory) == ROOT and name in LEFT_BEHIND)
        ],
    )
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(copy)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; the libraries are those of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site = Path(
        sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)})
    )
    python = str(folder / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The wheel's own files come first on the path; an editable install here is not looked at.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def _vigil(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIGIL_"))}
    return subprocess.run(
        [str(installed / "bin" / "vigil"), *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_wheel_holds_all_data_and_nothing_else(wheel: Path) -> None:
    """Whatever is not Python in the packages travels along; tests and benches stay."""
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    source = wheel.parent / "source"
    expected = {
        str(path.relative_to(source))
        for package in structure.PACKAGES
        for path in (source / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected - inside == set()
    tops = {name.partition("/")[0] for name in inside}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(structure.PACKAGES)


def test_the_wheel_is_typed_and_licensed(wheel: Path) -> None:
    """Type checkers see its types; the licence travels along."""
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
    assert [name for name in structure.PACKAGES if f"{name}/py.typed" not in inside] == []
    assert any(name.endswith("licenses/LICENSE") for name in inside)


def test_the_installed_command_works(installed: Path, tmp_path: Path) -> None:
    """Outside the checkout: help, a starter configuration, its check, and the tables."""
    for arguments in (
        ("--help",),
        ("--version",),
        ("init",),
        ("config", "check"),
        ("db", "upgrade"),
        ("db", "check"),
        ("runbooks", "list"),
        ("models",),
    ):
        done = _vigil(installed, tmp_path, *arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    assert (tmp_path / "var" / "vigil.db").exists()


def test_the_installed_packages_are_the_wheels_own(installed: Path, tmp_path: Path) -> None:
    """What is imported comes from the environment, not from the checkout."""
    names = ", ".join(structure.PACKAGES)
    code = f"import {names}\nfor m in ({names}): print(m.__path__[0])"
    done = subprocess.run(
        [str(installed / "bin" / "python"), "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(line.startswith(str(installed)) for line in done.stdout.split())
