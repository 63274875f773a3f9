"""Write the lock files from what is installed beside this interpreter.

Each file pins everything that its extras need, directly or not, at the version installed now::

    requirements/torch.txt     torch alone: installed first, because its build differs by index
    requirements/dev.txt       what `make demo`, `make test` and `make check` need
    requirements/reports.txt   what evidently adds to that

`make lock` runs it in a fresh environment that holds the newest versions pyproject.toml allows.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parent
HEADER = "# Exact versions; written by `make lock`, never by hand.\n"
TORCH_ONLY = re.compile(r"^(torch|triton|nvidia-(?!ml-py$).*|cuda-.*)$")


def closure(requirements: Iterable[Requirement]) -> dict[str, str]:
    """Canonical name -> installed version of the requirements and all they need, here.

    Raises:
        importlib.metadata.PackageNotFoundError: one of them is not installed.
    """
    found: dict[str, str] = {}
    waiting = list(requirements)
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            distribution = metadata.distribution(name)
            found[name] = distribution.version
            needs = (Requirement(text) for text in distribution.requires or ())
            waiting += [n for n in needs if n.marker is None or n.marker.evaluate({"extra": extra})]
    return found


def extras(project: dict[str, object], names: Iterable[str]) -> list[Requirement]:
    """The requirements of the project's extras; an extra that names the project is unfolded."""
    table = project["optional-dependencies"]
    assert isinstance(table, dict)
    result = []
    for name in names:
        for text in table[name]:
            requirement = Requirement(text)
            if requirement.name == project["name"]:
                result += extras(project, sorted(requirement.extras))
            else:
                result.append(requirement)
    return result


def write(name: str, versions: dict[str, str], *, head: str = "") -> None:
    lines = [f"{package}=={version.split('+')[0]}\n" for package, version in versions.items()]
    (FOLDER / name).write_text(HEADER + head + "".join(sorted(lines)), encoding="utf-8")
    sys.stdout.write(f"requirements/{name}: {len(lines)} packages\n")


def main() -> None:
    text = (FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    base = [Requirement(text) for text in project["dependencies"]]
    everything = closure([*base, *extras(project, ("server", "demo", "postgres", "dev"))])
    torch = {"torch": everything["torch"]}
    dev = {name: v for name, v in everything.items() if not TORCH_ONLY.match(name)}
    reports = closure(extras(project, ["reports"]))
    write("torch.txt", torch)
    write("dev.txt", dev)
    write("reports.txt", {n: v for n, v in reports.items() if n not in dev}, head="-c dev.txt\n")


if __name__ == "__main__":
    main()
