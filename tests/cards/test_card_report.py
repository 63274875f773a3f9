"""The report of a model: what was measured, in Markdown and as a page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from incident_rows import incident_row
from label_rows import NOON, label_row, task_row
from typer.testing import CliRunner

from dashboards.console.card import render_card
from dashboards.console.readmodels.card import ModelCard
from monitor.cards.gather import model_card
from monitor.cards.markdown import markdown
from monitor.cli.app import app
from monitor.retraining import orders
from monitor.services import Services, open_services
from monitor.settings.load import load_settings
from monitor.settings.schema import Service, Settings, WatchedModel
from monitor.store import releases
from monitor.store.samples import MemorySamples
from monitor.store.tables import ActionRow, TickRow
from vigil.clock import ManualClock
from vigil.errors import NotFoundError

TITLE = "Site | north <b>is new</b>"


@pytest.fixture
def services(sqlite_url: str) -> Iterator[Services]:
    opened = open_services(
        Settings(
            service=Service(database=sqlite_url),
            models=(
                WatchedModel(name="reader", keys=("site",), class_names=("a", "b", "c", "digit 3")),
            ),
        ),
        clock=ManualClock(NOON),
        samples=MemorySamples(),
    )
    yield opened
    opened.close()


def card(services: Services, model: str = "reader", days: float = 30.0) -> ModelCard:
    with services.sessions() as session:
        return model_card(
            session,
            services.settings,
            model,
            "production",
            since=NOON - timedelta(days=days),
            now=NOON,
        )


def a_month(services: Services) -> None:
    """Labels of two sites, a false alarm and a real incident with a refused rollback."""
    with services.sessions.begin() as session:
        for k in range(60):
            session.add(label_row(f"n-{k}", right=k % 10 > 0, confidence=0.9))
            south = {"site": "south"}
            session.add(label_row(f"s-{k}", right=k % 2 > 0, cell=south, confidence=0.9))
        session.add(task_row("chosen", inclusion=None))
        session.add(label_row("chosen", right=False))
        began = NOON - timedelta(days=40)
        session.add(
            TickRow(
                id=1,
                end_at=began,
                started_at=began,
                duration_ms=1.0,
                windows=1,
                streams=1,
                holder="h",
            )
        )
        releases.announce(
            session,
            model="reader",
            deployment="production",
            version="v1",
            actor="ci",
            at=NOON - timedelta(days=3),
            note="first",
        )
        session.add(incident_row(NOON - timedelta(days=5), disposition="false_alarm"))
        real = incident_row(
            NOON - timedelta(days=2),
            cause="domain_shift",
            title=TITLE,
            onset_at=NOON - timedelta(days=2, minutes=10),
            paged_at=NOON - timedelta(days=2),
        )
        session.add(real)
        session.flush()
        session.add(
            ActionRow(
                incident_id=real.id,
                kind="rollback",
                state="refused",
                plan={},
                plan_hash="p",
                result={"text": "Rollback refused: v0 would be no better."},
                created_at=NOON,
                updated_at=NOON,
            )
        )
    orders.propose(
        services.sessions,
        services.settings,
        services.samples,
        model="reader",
        deployment="production",
        reason="a new site",
        actor="ann",
        at=NOON,
    )


def test_a_report_says_what_was_measured_and_what_is_not_known(services: Services) -> None:
    a_month(services)
    text = markdown(card(services))
    for line in (
        "# reader in production",
        "- serving: v1",
        "- baseline: none: its drift from training is not known",
        "- Accuracy 70.0 % over the time, as 120 labels know.",
        "- Surely worse on site=south: 50.0 %, 60 labels.",
        "- 2 incidents in this time. v1 serves now.",
        "- Time to page, median of 1: 10 min from the onset.",
        "- Whether labellers agree: no image has two labels.",
    ):
        assert line in text.splitlines(), line
    assert "| site=south | 60 | 50.0 % (37.6 to 62.4) |" in text
    assert "Left out: 1 label of records that were chosen for their score" in text
    assert "people called 1 of them false, of 1 nobody said" in text
    assert "False pages of the whole fleet: 1; the budget allows 1 in the 30 days" in text
    assert "Rollback refused: v0 would be no better." in text
    assert "| 1 | a new site | proposed | – | – |" in text
    assert "| digit 3 |" in text


def test_the_page_says_the_same_and_runs_nothing(services: Services) -> None:
    a_month(services)
    found = card(services)
    page = render_card(found)
    for section in found.sections:
        assert f"<h2>{section.title}</h2>" in page
    assert "<script" not in page
    assert "http-equiv" not in page
    assert "reliability over 120 labels: accuracy 70.0 %" in page
    assert "Site | north &lt;b&gt;is new&lt;/b&gt;" in page
    assert r"Site \| north \<b\>is new\</b\>" in markdown(found)


def test_a_model_of_which_nothing_is_known_has_a_report_and_an_unknown_one_has_none(
    services: Services,
) -> None:
    text = markdown(card(services))
    assert "- How accurate it is, is not known: no label can stand for its traffic." in text
    assert "- No labels with a confidence." in text
    assert "- None." in text
    with pytest.raises(NotFoundError, match="there is no such model"):
        card(services, "nobody")


def test_a_canary_is_not_what_serves(services: Services) -> None:
    a_month(services)
    with services.sessions.begin() as session:
        releases.announce(
            session,
            model="reader",
            deployment="production",
            version="v2",
            actor="ci",
            at=NOON - timedelta(hours=1),
            share=0.1,
        )
    assert ("serving", "v1") in card(services).facts


def test_what_is_older_is_not_in_it(services: Services) -> None:
    a_month(services)
    text = markdown(card(services, days=1.0))
    assert "No incident in this time." in text


def test_the_command_prints_or_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vigil.toml"
    path.write_text('[service]\ndatabase = "sqlite:///vigil.db"\n[[models]]\nname = "reader"\n')
    monkeypatch.setenv("VIGIL_CONFIG", str(path))
    open_services(load_settings(path)).close()
    shown = CliRunner().invoke(app, ["report", "reader", "--since", "7d"])
    assert shown.output.startswith("# reader in production")
    out = tmp_path / "new" / "reader.html"
    words = ["report", "reader", "--format", "html", "--out", str(out)]
    assert CliRunner().invoke(app, words).output == f"{out}\n"
    assert out.read_text().startswith("<!doctype html>")
    assert CliRunner().invoke(app, ["report", "nobody"]).exit_code != 0
