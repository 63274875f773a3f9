"""What is looked at again after an alarm: embeddings, exactly; and images for people to label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_fleet as fleet

from detectors.exact_mmd import permutation_test
from monitor.response.exact_check import FEWEST_RECORDS, compare
from monitor.schedule.wiring import wire
from monitor.store.tables import ActionRow, TimelineRow
from vigil.types import WHOLE, Cause, Slice
from vigil.windows.sample import Sample

UNFAMILIAR = fleet.Scene(cameras=(*fleet.CAMERAS, *fleet.NEW_CAMERAS), unfamiliar=4.0)


@pytest.fixture
def story(sqlite_url: str, tmp_path: Path) -> Iterator[fleet.Story]:
    yield from fleet.story(sqlite_url, watched={"relabel": fleet.relabel(tmp_path / "queue")})


def checks(story: fleet.Story) -> list[TimelineRow]:
    return [row for row in story.rows(TimelineRow) if row.kind == "exact_check"]


def test_drifted_embeddings_are_tested_exactly_once(story: fleet.Story) -> None:
    """The p-value stands in the timeline, once, however often the job comes by."""
    story.play(20, UNFAMILIAR, until=lambda: bool(story.incidents))
    (incident,) = story.incidents
    assert incident.cause == Cause.DOMAIN_SHIFT.value
    story.play(6, UNFAMILIAR)
    assert [story.works.exact_checks.run_due() for _ in range(3)] == [1, 0, 0]
    (entry,) = checks(story)
    assert (entry.incident_id, entry.data["p"]) == (incident.id, 0.001)
    assert entry.text.startswith("Exact check: p = 0.001 for embeddings of ")


def test_a_relabel_action_without_a_queue_fails_with_a_reason(story: fleet.Story) -> None:
    """The folder was taken out of the configuration while the action waited."""
    story.play(20, UNFAMILIAR, until=lambda: bool(story.incidents))
    bare = fleet.settings(story.database)
    story.clock.advance(60.0)
    wire(replace(story.services, settings=bare), holder="other").actions.run_due()
    (action,) = (row for row in story.rows(ActionRow) if row.kind == "relabel")
    assert action.state == "failed"
    assert "no longer in the configuration" in action.result["text"]


def sample_of(seed: int, cells: list[tuple[str, str]], shift: float = 0.0) -> Sample:
    """Records whose embeddings lie where their camera is; ``shift`` moves them all."""
    rng = np.random.default_rng(seed)
    place = {camera: 3.0 * number for number, camera in enumerate(fleet.CAMERAS)}
    n = len(cells)
    one = replace(fleet.baseline("v1").sample.take([0] * n), ids=tuple(f"{i}" for i in range(n)))
    points = rng.normal(size=(n, 4)) + np.array([[place.get(cell, 50.0)] for cell in cells]) + shift
    return replace(
        one,
        embedding=points.astype(np.float16),
        metadata=tuple(dict(zip(fleet.KEYS, cell, strict=True)) for cell in cells),
    )


def p_of(seen: Sample, known: Sample, where: Slice = WHOLE) -> float | None:
    baseline = replace(fleet.baseline("v1"), sample=known)
    return compare(seen, baseline, where, np.random.default_rng(1)).p


def test_another_mix_of_traffic_is_no_drift() -> None:
    """Cameras look different; more of one of them changes the whole, but none of its parts."""
    n1, n2 = fleet.CAMERAS[:2]
    known = sample_of(1, [n1] * 80 + [n2] * 80)
    mixed = sample_of(2, [n1] * 90 + [n2] * 10)
    _, naive = permutation_test(mixed.embedding, known.embedding, 999, np.random.default_rng(0))
    assert naive == 0.001
    assert (p_of(mixed, known) or 0.0) > 0.05
    assert p_of(sample_of(2, [n1] * 90 + [n2] * 10, shift=1.5), known) == 0.001


def test_a_slice_is_compared_with_its_own_baseline() -> None:
    """A new one, which has none, with all of the baseline."""
    n1, n2 = fleet.CAMERAS[:2]
    known = sample_of(1, [n1] * 80 + [n2] * 80)
    where = Slice(tuple(zip(fleet.KEYS, n1, strict=True)))
    assert (p_of(sample_of(2, [n1] * 60), known, where) or 0.0) > 0.05
    west = fleet.NEW_CAMERAS[0]
    new = Slice(tuple(zip(fleet.KEYS, west, strict=True)))
    assert p_of(sample_of(2, [west] * 60), known, new) == 0.001


@pytest.mark.parametrize("records", [0, FEWEST_RECORDS - 1])
def test_too_few_records_give_no_p_value(records: int) -> None:
    """It says so instead of guessing."""
    n1 = fleet.CAMERAS[0]
    known = sample_of(1, [n1] * 80)
    assert p_of(sample_of(2, [n1] * records) if records else Sample.empty(), known) is None


def test_cells_with_one_record_each_give_no_p_value() -> None:
    """Nothing can change places within a cell of one."""
    known = sample_of(1, [("s", f"c{i}") for i in range(40)])
    assert p_of(sample_of(2, [("s", f"c{i}") for i in range(40)]), known) is None
