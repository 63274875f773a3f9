"""What the demo found, as JSON, and whether the story went as it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

EXPECTED: dict[str, dict[str, Any]] = {
    "bad_release": {"cause": "model_regression", "action": "rollback"},
    "camera_defocus": {"cause": "input_fault", "action": "page"},
    "new_site": {"cause": "domain_shift", "action": "relabel"},
}


@dataclass(frozen=True, kw_only=True)
class ScenarioResult:
    """One fault. Seconds count from the fault; ``named_slice`` is None for all traffic.
    ``retraining``: what vigil says of the training that followed; None where none did."""

    name: str
    detected: bool
    cause: str
    named_slice: str | None
    seconds_to_detect: float | None
    seconds_to_page: float | None
    seconds_to_mitigate: float | None
    recovered: bool | None
    action: str
    refused: str | None
    relabel_items: int
    retraining: str | None = None


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    false_pages: int
    scenarios: tuple[ScenarioResult, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "false_pages": self.false_pages,
            "scenarios": [asdict(scenario) for scenario in self.scenarios],
        }


def faults(result: DemoResult, *, expected_slices: dict[str, str | None]) -> Sequence[str]:
    """What went otherwise than it should, a sentence each; empty where the story is right."""
    wrong = []
    if result.false_pages:
        wrong.append(f"{result.false_pages} false pages")
    for scenario in result.scenarios:
        for key, want in EXPECTED[scenario.name].items():
            if getattr(scenario, key) != want:
                wrong.append(
                    f"{scenario.name}: {key}: expected {want}, found {getattr(scenario, key)}"
                )
        want_slice = expected_slices[scenario.name]
        if scenario.named_slice != want_slice:
            wrong.append(
                f"{scenario.name}: slice: expected {want_slice}, found {scenario.named_slice}"
            )
    by_name = {scenario.name: scenario for scenario in result.scenarios}
    release, defocus, site = (by_name[name] for name in EXPECTED)
    if not release.recovered or release.seconds_to_mitigate is None:
        wrong.append("bad_release: the rollback was not proved to help")
    if release.seconds_to_page is None or defocus.seconds_to_page is None:
        wrong.append("bad_release or camera_defocus: nobody was paged")
    if not defocus.refused or "no better" not in defocus.refused:
        wrong.append("camera_defocus: the refusal does not name the counterfactual")
    if not defocus.recovered:
        wrong.append("camera_defocus: not seen to recover after it was refocused")
    if site.relabel_items < 1:
        wrong.append("new_site: the re-label queue is empty")
    if not site.recovered:
        wrong.append("new_site: not seen to recover with the version trained on its labels")
    if site.retraining != "helped":
        wrong.append(f"new_site: the retraining was not proved to help, but {site.retraining}")
    return wrong
