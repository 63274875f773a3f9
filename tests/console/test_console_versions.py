"""The page of a model's versions: intent, registry and windows beside each other."""

from __future__ import annotations

from datetime import timedelta

from console_browser import TestClient, browser_on
from console_versions import seed_versions
from console_world import DEPLOYMENT, HOSTILE, MODEL, NOW, Fleet, empty_fleet
from incident_rows import incident_row

from dashboards.console.plots.lanes import lanes
from dashboards.console.versionsview import EventLine, SpanLine, VersionsView

PAGE = f"/versions/{MODEL}/{DEPLOYMENT}"


def test_the_page_shows_what_was_meant_and_what_serves(new_fleet: Fleet) -> None:
    seed_versions(new_fleet)
    with browser_on(new_fleet) as client:
        page = client.get(PAGE).text
    for text in (
        "they differ.",
        "the registry says v2, but v1 was put back by a rollback",
        "It was put back by a rollback.",
        "after v1, 10% of the traffic, more night images",
        "put back by vigil, after v2",
        "preprocessing resize-224, hardware L4, schema digits-1",
        'class="plot lanes"',
        "a release may take a while: nobody is told yet",
    ):
        assert text in page, text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert page.count('class="lane"') == 6


def test_an_incident_of_no_version_names_none(new_fleet: Fleet) -> None:
    """What serves is not what was meant: that is no version's fault."""
    with new_fleet.sessions.begin() as session:
        what = {"model": "unsure", "cause": "unknown", "kind": "serving_mismatch"}
        session.add(incident_row(NOW, **what, model_version=""))
    with browser_on(new_fleet) as client:
        for page in ("/incidents", "/"):
            shown = client.get(page).text
            assert "unsure" in shown
            assert "unsure@" not in shown


def test_a_model_that_is_declared_only_has_a_page_that_says_so(tmp_path) -> None:
    fleet = empty_fleet(tmp_path)
    with browser_on(fleet) as client:
        page = client.get(PAGE).text
        assert "no traffic has come of late." in page
        assert "No window of it has been counted yet." in page
        assert "Nothing was announced, and no window has come." in page
        assert client.get("/versions/nobody/production").status_code == 404
    fleet.engine.dispose()


def test_the_model_page_leads_there(client: TestClient) -> None:
    assert f'href="{PAGE}"' in client.get(f"/models/{MODEL}/{DEPLOYMENT}").text


def test_a_lane_is_as_high_as_its_share_and_names_its_times() -> None:
    def span(version: str, share: float) -> SpanLine:
        return SpanLine(
            version=version,
            build="",
            first_at=NOW - timedelta(hours=1),
            last_at=NOW,
            records=10,
            share=share,
            serves=True,
        )

    view = VersionsView(
        model="m",
        deployment="d",
        said="",
        read_at=None,
        problem="",
        start=NOW - timedelta(hours=1),
        end=NOW,
        shares=(),
        sees_traffic=True,
        differences=(),
        spans=(span("v2", 0.25), span("v1", 0.75)),
        events=(
            EventLine(at=NOW, kind="rollback", version="v1", text="back", incident=None),
            EventLine(at=NOW, kind="refused", version="v0", text="not drawn", incident=3),
        ),
    )
    drawn = str(lanes(view))
    assert 'height="5.5"' in drawn  # a quarter of 22
    assert 'height="16.5"' in drawn
    assert "mark-recovered" in drawn
    assert "not drawn" not in drawn
    assert 'aria-label="versions over time: v2 25' in drawn
