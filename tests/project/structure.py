"""Who imports whom, read from the source without running it.

Run it to see the picture: ``python tests/project/structure.py``.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("vigil", "detectors", "runbooks", "alerts", "monitor", "dashboards", "migrations")


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module: where it is written, what it names, and whether it runs at import."""

    importer: str
    target: str
    line: int
    at_import: bool


def modules(root: Path = ROOT, packages: Iterable[str] = PACKAGES) -> dict[str, Path]:
    """Dotted name -> file of every module of the packages."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _is_type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in ast.unparse(test)


def _walk(node: ast.AST, at_import: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_import
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
            isinstance(child, ast.If) and _is_type_checking(child.test)
        ):
            yield from _walk(child, False)
        else:
            yield from _walk(child, at_import)


def imports_of(name: str, source: str, known: Iterable[str], *, is_package: bool) -> list[Import]:
    """All imports of one module; ``from a import b`` names ``a.b`` where that is a module."""
    known = set(known)
    found = []
    for node, at_import in _walk(ast.parse(source), True):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            base = node.module or ""
            if node.level:
                parts = name.split(".")
                stem = parts[: len(parts) - node.level + is_package]
                base = ".".join([*stem, base] if base else stem)
            targets = [
                dotted if (dotted := f"{base}.{alias.name}") in known else base
                for alias in node.names
            ]
        found += [
            Import(importer=name, target=target, line=node.lineno, at_import=at_import)
            for target in dict.fromkeys(targets)
            if target != name
        ]
    return found


@cache
def project_imports() -> tuple[Import, ...]:
    known = modules()
    return tuple(
        one
        for name, path in known.items()
        for one in imports_of(
            name,
            path.read_text(encoding="utf-8"),
            known,
            is_package=path.name == "__init__.py",
        )
    )


def top(dotted: str) -> str:
    return dotted.partition(".")[0]


def folder(dotted: str) -> str:
    """The folder (or module) of its package that a module is in: two names."""
    return ".".join(dotted.split(".")[:2])


def arrows(imports: Iterable[Import]) -> dict[str, set[str]]:
    """Package -> other packages of the project that it imports."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in imports:
        if top(one.target) in PACKAGES and top(one.target) != top(one.importer):
            found[top(one.importer)].add(top(one.target))
    return dict(found)


def third_party(imports: Iterable[Import]) -> list[Import]:
    """Imports from outside the project and the standard library."""
    return [
        one
        for one in imports
        if top(one.target) not in PACKAGES and top(one.target) not in sys.stdlib_module_names
    ]


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The strongly connected parts of more than one node of a directed graph (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def module_graph(imports: Iterable[Import]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = defaultdict(set)
    for one in imports:
        if top(one.target) in PACKAGES:
            graph[one.importer].add(one.target)
    return dict(graph)


def picture(arrows_: Mapping[str, Iterable[str]]) -> str:
    """Packages and their arrows as a Mermaid flow chart."""
    lines = ["flowchart LR"]
    for package, others in sorted(arrows_.items()):
        lines += [f"    {package} --> {other}" for other in sorted(others)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(picture(arrows(project_imports())) + "\n")
    for circle in circles(module_graph(project_imports())):
        sys.stdout.write("circle: " + " -> ".join(circle) + "\n")
