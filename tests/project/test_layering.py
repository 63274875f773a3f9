"""The layering that docs/architecture.md draws, held by the source itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import structure
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ALLOWED: dict[str, set[str]] = {
    "vigil": set(),
    "detectors": {"vigil"},
    "runbooks": {"vigil"},
    "alerts": {"vigil", "runbooks"},
    "dashboards": {"vigil"},
    "migrations": {"monitor"},
    "monitor": {"vigil", "detectors", "runbooks", "alerts", "dashboards", "migrations"},
}
# The tables are all that a migration sees of the service.
OPEN_TO_MIGRATIONS = ("monitor.store.tables", "monitor.store.utctime")

# Import name -> distribution, where they differ.
DISTRIBUTION = {
    "PIL": "pillow",
    "dateutil": "python-dateutil",
    "markdown_it": "markdown-it-py",
    "markupsafe": "jinja2",
    "prometheus_client": "prometheus-client",
    "slack_sdk": "slack-sdk",
    "sklearn": "scikit-learn",
    "starlette": "fastapi",
}
# Heavy, or not in the `server` extra: imported only where they are used.
LAZY = ("torch", "sklearn", "evidently", "pandas", "psycopg", "grafana_client", "requests")


def _where(one: structure.Import) -> str:
    return f"{one.importer}:{one.line} imports {one.target}"


def test_packages_import_only_what_lies_below_them() -> None:
    """Each package imports only the packages that the design allows it."""
    forbidden = [
        _where(one)
        for one in structure.project_imports()
        if structure.top(one.target) in structure.PACKAGES
        and structure.top(one.target) != structure.top(one.importer)
        and structure.top(one.target) not in ALLOWED[structure.top(one.importer)]
    ]
    assert forbidden == []


def test_migrations_see_only_the_tables() -> None:
    """A migration imports the tables, and nothing else of the service."""
    forbidden = [
        _where(one)
        for one in structure.project_imports()
        if structure.top(one.importer) == "migrations"
        and structure.top(one.target) == "monitor"
        and one.target not in OPEN_TO_MIGRATIONS
    ]
    assert forbidden == []


def test_detectors_and_alerts_never_meet_but_in_the_service() -> None:
    """One module turns a verdict into an alert: outside monitor, none imports both."""
    both = [
        name
        for name, targets in structure.module_graph(structure.project_imports()).items()
        if {"detectors", "alerts"} <= {structure.top(target) for target in targets}
        and structure.top(name) != "monitor"
    ]
    assert both == []


def test_no_module_imports_itself_in_a_circle() -> None:
    """The modules form no circle, not even through imports inside functions."""
    assert structure.circles(structure.module_graph(structure.project_imports())) == []


def test_the_folders_of_vigil_lie_in_layers() -> None:
    """No circle between folders either: each imports only those before it in the data's way."""
    folders: dict[str, set[str]] = {}
    for one in structure.project_imports():
        ends = [structure.folder(name) for name in (one.importer, one.target)]
        if all(end.startswith("vigil.") for end in ends) and ends[0] != ends[1]:
            folders.setdefault(ends[0], set()).add(ends[1])
    assert "vigil.ring" in folders["vigil.recording"]
    assert structure.circles(folders) == []


def test_vigil_needs_numpy_and_nothing_else() -> None:
    """What runs in a user's process imports numpy and the standard library."""
    foreign = [
        _where(one)
        for one in structure.third_party(structure.project_imports())
        if structure.top(one.importer) == "vigil" and structure.top(one.target) != "numpy"
    ]
    assert foreign == []


def test_detectors_need_numpy_and_scipy_and_nothing_else() -> None:
    """The statistics are pure: arrays in, values out. Torch is optional, behind one module."""
    foreign = [
        _where(one)
        for one in structure.third_party(structure.project_imports())
        if structure.top(one.importer) == "detectors"
        and structure.top(one.target) not in ("numpy", "scipy")
        and (one.importer, structure.top(one.target)) != ("detectors.backend", "torch")
    ]
    assert foreign == []


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    """No module but the demo's own imports torch, scikit-learn and the like when it is imported."""
    eager = [
        _where(one)
        for one in structure.third_party(structure.project_imports())
        if one.at_import
        and structure.top(one.target) in LAZY
        and not one.importer.startswith("monitor.demo")
    ]
    assert eager == []


def test_every_foreign_import_is_declared() -> None:
    """Each library that is imported is a dependency, or in an extra, of pyproject.toml."""
    project = tomllib.loads((structure.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tables = project["project"]["optional-dependencies"].values()
    texts = [*project["project"]["dependencies"], *(text for table in tables for text in table)]
    declared = {canonicalize_name(Requirement(text).name) for text in texts}
    undeclared = {
        _where(one)
        for one in structure.third_party(structure.project_imports())
        if canonicalize_name(DISTRIBUTION.get(structure.top(one.target), structure.top(one.target)))
        not in declared
    }
    assert undeclared == set()


def test_the_drawing_in_the_documentation_is_true() -> None:
    """docs/architecture.md draws the arrows that are allowed, and these only."""
    page = (structure.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.search(r"```mermaid\n(flowchart LR\n.*?)\n```", page, re.DOTALL)
    assert drawn is not None
    assert drawn[1] == structure.picture(ALLOWED)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import vigil.types", [("vigil.types", True)]),
        ("from vigil import types, errors", [("vigil.types", True), ("vigil", True)]),
        ("from .types import Slice", [("a.types", True)]),
        ("from . import types", [("a.types", True)]),
        ("def f():\n    import torch", [("torch", False)]),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
            [("typing", True), ("torch", False)],
        ),
        ("class C:\n    import json", [("json", True)]),
    ],
)
def test_imports_are_read_in_every_form(source: str, expected: list[tuple[str, bool]]) -> None:
    """Absolute, relative, nested and type-only imports are all seen."""
    known = ["vigil", "vigil.types", "a", "a.b", "a.types"]
    found = structure.imports_of("a.b", source, known, is_package=False)
    assert [(one.target, one.at_import) for one in found] == expected


def test_relative_imports_of_a_package_start_at_itself() -> None:
    """In ``a/__init__.py`` a single dot is ``a``."""
    found = structure.imports_of("a", "from .b import c", ["a", "a.b"], is_package=True)
    assert [one.target for one in found] == ["a.b"]


def test_a_circle_is_found() -> None:
    """Three modules in a ring are named; a chain and a diamond are not."""
    ring = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    diamond = {"a": {"b", "c"}, "b": {"d"}, "c": {"d"}}
    assert structure.circles(ring) == [["a", "b", "c"]]
    assert structure.circles(diamond) == []


def test_the_modules_of_a_folder_are_named(tmp_path: Path) -> None:
    """A package is named after its folder, a module after its file."""
    (tmp_path / "p" / "q").mkdir(parents=True)
    (tmp_path / "p" / "__init__.py").touch()
    (tmp_path / "p" / "q" / "m.py").touch()
    assert sorted(structure.modules(tmp_path, ["p"])) == ["p", "p.q.m"]
