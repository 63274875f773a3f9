"""The documentation says what the source does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structure

from monitor.cli import reference, settings_page
from monitor.metrics import CATALOGUE as METRICS
from monitor.settings.load import parse_settings
from monitor.settings.meanings import MEANINGS
from vigil.catalogue import CATALOGUE as SIGNALS

ROOT = structure.ROOT
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """The page is what ``make docs`` would write now."""
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == reference.PAGES[name](), "run `make docs`"


def test_every_setting_has_a_meaning() -> None:
    """No setting without a line on what it means, and no line on a setting that is gone."""
    assert set(MEANINGS) == set(settings_page.keys())


def test_every_command_and_option_is_explained() -> None:
    """Each command has a help text, and so has each of its arguments and options."""
    silent = []
    for name, command in reference.walk(reference.command_tree(), "vigil"):
        if not command.help:
            silent.append(name)
        silent += [f"{name} {one.name}" for one in command.params if not getattr(one, "help", "")]
    assert silent == []


def test_every_metric_is_explained() -> None:
    """Each metric has a sentence, and its page lists it."""
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert [one.name for one in METRICS if not one.help or f"`{one.name}`" not in page] == []


def test_every_signal_is_explained() -> None:
    """Each signal is in the table of signals."""
    page = (DOCS / "signals.md").read_text(encoding="utf-8")
    assert [name for name in SIGNALS if f"`{name}`" not in page] == []


def test_commands_in_the_documentation_exist() -> None:
    """Every ``vigil ...`` that a page shows is a command."""
    known = {name for name, _ in reference.walk(reference.command_tree(), "vigil")}
    groups = {name.rsplit(" ", 1)[0] for name in known}
    unknown = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for shown in re.findall(r"(?m)(?:`|^\$ )(vigil [a-z][a-z -]*)", text):
            words = shown.split()
            parts = [word for word in words[1:3] if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)]
            if not any(" ".join(["vigil", *parts[:n]]) in known | groups for n in (1, 2)):
                unknown.append(f"{page.name}: {shown}")
    assert unknown == []


def test_targets_in_the_documentation_exist() -> None:
    """Every ``make ...`` that a page shows is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z-]+):", makefile))
    shown = {
        name
        for page in PAGES
        for name in re.findall(r"(?:`|\$ )make ([a-z-]+)", page.read_text(encoding="utf-8"))
    }
    assert shown - targets == set()


def test_links_inside_the_documentation_lead_somewhere() -> None:
    """No link between pages is broken."""
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" in target or target.startswith("mailto:"):
                continue
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_the_ten_lines_of_the_readme_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The README's example is ten lines at most, and records batches as it stands."""
    monkeypatch.chdir(tmp_path)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert example is not None
    lines = [line for line in example[1].splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 10
    images = np.zeros((4, 8, 8, 3), np.uint8)
    scope: dict[str, Any] = {
        "batches": [(images, {"site": ["n", "s", "n", "s"], "camera": ["c1"] * 4})],
        "model": lambda batch: (np.ones((4, 16), np.float32), np.full((4, 10), 0.1, np.float32)),
    }
    # Nothing listens there: the example must not mind.
    exec(example[1].replace("http://vigil:8080", "http://127.0.0.1:1"), scope)
    tap = scope["tap"]
    tap.flush(0.5)
    dropped = dict(tap.dropped)
    tap.close()
    assert len(set(scope["ids"])) == 4
    assert dropped == {}


def test_configurations_in_the_documentation_are_valid(tmp_path: Path) -> None:
    """Every whole configuration that a page shows would load."""
    shown = [
        block
        for page in PAGES
        for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    assert shown
    for block in shown:
        parse_settings(block, tmp_path / "vigil.toml")


def test_the_lock_pins_every_declared_dependency() -> None:
    """Each dependency of the extras that are installed is pinned exactly once."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = [*project["dependencies"]]
    for extra in project["optional-dependencies"]:
        texts += project["optional-dependencies"][extra]
    names = {re.split(r"[\[<>=~! ]", text, maxsplit=1)[0].lower() for text in texts} - {"vigil-cv"}
    pinned = [
        line.partition("==")[0]
        for file in sorted((ROOT / "requirements").glob("*.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if "==" in line
    ]
    assert len(pinned) == len(set(pinned))
    assert names - set(pinned) == set()
