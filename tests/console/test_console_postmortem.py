"""The post-mortem of an incident: from the console, the API's texts, and as files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from console_browser import TestClient
from console_world import NOW, ONSET, Fleet

from dashboards.console.readmodels.postmortem import PostMortem
from monitor.postmortem.export import files, page, write
from monitor.postmortem.gather import postmortem
from monitor.postmortem.impact import impact_of
from monitor.postmortem.markdown import markdown, plain
from monitor.response import followups, record
from monitor.settings.schema import WatchedModel
from monitor.store.tables import LabelRow


@pytest.fixture(scope="module")
def found(fleet: Fleet) -> Iterator[PostMortem]:
    key = fleet.incidents["input_fault"]
    with fleet.sessions.begin() as session:
        followups.add(
            session,
            key,
            "check the *other* lenses",
            owner="kim",
            due_at=NOW - timedelta(days=1),
            actor="kim",
            at=NOW,
        )
    with fleet.sessions() as session:
        yield postmortem(session, fleet, key, now=NOW)


def test_it_tells_times_impact_changes_actions_and_what_follows(found: PostMortem) -> None:
    text = markdown(found, {"sharpness": "a.svg"})
    for heading in (
        "Summary",
        "Times",
        "Impact",
        "What moved",
        "What vigil found",
        "What changed before",
        "What was done",
        "Corrective actions",
        "Timeline",
    ):
        assert f"## {heading}" in text
    assert "Time to acknowledge: 3" in text
    assert "- Time to recover: not reached\n" in text
    assert "  - in favour: v0 was known good" in text
    assert "  - it began 30 minutes after the last release" in text
    assert "![sharpness](a.svg)" in text
    assert "- [ ] F-" in text
    assert "check the \\*other\\* lenses (kim, due " in text
    assert "**overdue**" in text


def test_the_impact_counts_the_inferences_of_the_affected_slice(found: PostMortem) -> None:
    """Only the slice's, from the onset on, and not more than all."""
    impact = found.impact
    assert impact.start == ONSET
    assert not impact.over
    assert impact.end == NOW
    assert impact.exact
    assert 0 < impact.inferences < impact.of_all
    assert impact.cost is None


def test_what_changed_before_names_the_release(fleet: Fleet) -> None:
    with fleet.sessions() as session:
        regression = postmortem(session, fleet, fleet.incidents["model_regression"], now=NOW)
    assert any(change.kind == "release" for change in regression.changes)
    assert all(change.at >= regression.changes_since for change in regression.changes)


def test_the_page_stands_alone_and_runs_nothing(found: PostMortem) -> None:
    text = page(found)
    assert "<script" not in text
    assert "<link" not in text
    assert "/static/" not in text
    assert text.count('class="plot series"') == len(found.incident.series) > 0


def test_markdown_comes_with_plots_that_are_pictures(found: PostMortem, tmp_path: Path) -> None:
    """Each plot is a file that any viewer opens; onset and page are marked in it."""
    paths = write(found, "md", tmp_path / "new")
    assert [path.suffix for path in paths] == [".md"] + [".svg"] * len(found.incident.series)
    named = paths[0].read_text()
    for path in paths[1:]:
        assert path.name in named
        root = ElementTree.fromstring(path.read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "mark-onset" in paths[1].read_text()
    assert list(files(found, "html")) == [f"incident-{found.incident.line.id}.html"]
    assert not [path for path in (tmp_path / "new").iterdir() if path.name.startswith(".")]


def test_strangers_texts_stay_texts(fleet: Fleet) -> None:
    """Metadata and titles can make neither markup nor markdown."""
    with fleet.sessions() as session:
        hostile = postmortem(session, fleet, fleet.incidents["hostile"], now=NOW)
    assert "<script" not in page(hostile)
    text = markdown(hostile, {})
    assert "<script" not in text.replace("\\<", "")
    assert plain("a\n# b <i> [x](y)") == "a \\# b \\<i\\> \\[x\\](y)"


def test_the_console_and_the_incident_page_lead_to_it(client: TestClient, fleet: Fleet) -> None:
    key = fleet.incidents["input_fault"]
    assert f"/incidents/{key}/export" in client.get(f"/incidents/{key}").text
    answer = client.get(f"/incidents/{key}/export")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert client.get("/incidents/99999/export").status_code == 404


def test_the_cost_is_that_of_wrong_answers_beyond_the_usual(fleet: Fleet) -> None:
    """Share wrong since the onset less that of before, times inferences, times the price of one."""
    with fleet.sessions() as session:
        incident = record.get(session, fleet.incidents["input_fault"])
        cell = dict(incident.slice.pairs)
        for n, (hours, wrong) in enumerate([(-2, False)] * 10 + [(0, True)] * 4 + [(0, False)] * 4):
            session.add(
                LabelRow(
                    record_id=f"cost-{n}",
                    model=incident.model,
                    version=incident.model_version,
                    deployment=incident.deployment,
                    cell=cell,
                    prediction=1,
                    confidence=0.9,
                    label=2 if wrong else 1,
                    predicted_at=ONSET + timedelta(hours=hours, seconds=1),
                    arrived_at=NOW,
                )
            )
        session.flush()
        watched = WatchedModel(name=incident.model, error_cost=0.5, currency="EUR")
        told = impact_of(session, incident, watched, now=NOW)
        session.rollback()
    assert (told.labelled, told.wrong) == (8, 4)
    usual = told.wrong_before / told.labelled_before
    assert 0 < usual < 0.5
    assert told.cost == pytest.approx((0.5 - usual) * told.inferences * 0.5)
    assert told.currency == "EUR"
