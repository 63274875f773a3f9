"""What the page on release checks shows works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import structure

from monitor.canary.hooks import Hook
from monitor.gate.scenarios import load
from monitor.web.api.verdicts import VerdictOut

PAGE = (structure.ROOT / "docs" / "release-checks.md").read_text(encoding="utf-8")


def test_its_scenarios_can_be_loaded(tmp_path: Path) -> None:
    (block,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "scenarios.toml"
    path.write_text(block)
    suite = load(path)
    assert [one.must_not_fail for one in suite.scenarios] == [True, False]


def test_its_python_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, {})


def test_its_verdict_and_hooks_are_those_of_the_api() -> None:
    (path,) = re.findall(r'jsonPath: "\{\$\.(\w+)\}"', PAGE)
    assert path in VerdictOut.model_fields
    (shown,) = re.findall(r"^    (\{.*\})$", PAGE, re.MULTILINE)
    assert set(re.findall(r'"(\w+)":', shown)) <= set(VerdictOut.model_fields)
    table = PAGE[PAGE.index("| hook | 200 |") :].split("\n\n")[0]
    assert set(re.findall(r"`([a-z-]+)`", table)) == set(Hook) - {Hook.EVENT, Hook.POST_ROLLOUT}
