"""Every page, over a seeded database."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from console_browser import TestClient, browser_on
from console_world import BAD_SLICE, DEPLOYMENT, HOSTILE, MODEL, ONSET, Fleet
from sqlalchemy import select

from dashboards.console import pages
from monitor.response.exemplars import Shown
from monitor.serving.cost import cost_since
from monitor.store.tables import IncidentRow, SourceRow, WindowRow
from monitor.store.windows import pack_summary
from monitor.web.console import queries_fleet, queries_windows
from monitor.web.console.queries_exemplars import line_of
from vigil.quality.counts import NO_FAULTS
from vigil.windows.summary import Layout, Summary

MODEL_PATH = f"/models/{MODEL}/{DEPLOYMENT}"


def test_the_fleet_page_says_what_is_open_and_who_is_silent(client: TestClient) -> None:
    """The front page names the open incidents, the furthest signal and silent sources."""
    page = client.get("/").text
    assert "3 open incidents" in page
    assert "images of camera cam-04 at site south lost sharpness" in page
    assert "+ 1 silent" in page
    assert "unverified" in page  # plate-finder has no baseline


def test_the_model_page_draws_every_view(client: TestClient) -> None:
    """Series, slice table, distribution, classes, embedding map, reliability: all drawn."""
    page = client.get(MODEL_PATH, params={"slice": BAD_SLICE, "signal": "sharpness"}).text
    for label in (
        "sharpness on site=south &amp; camera=cam-04: effect",
        "distribution of sharpness on site=south &amp; camera=cam-04",
        "predicted classes on site=south",
        "current embeddings over",
        "reliability over 180 labels",
    ):
        assert label in page, label
    assert page.count('class="plot series"') == 14
    assert re.search(r'class="cell level[34]" title="sharpness on site=south &amp; camera', page)
    assert "rollback" in page  # among the releases


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([], ""),
        (["serving_mismatch"], "serving_mismatch"),
        (["labels_silent", "hard_fault"], "labels_silent"),
        (["serving_mismatch", "input_fault"], ""),
        (["baseline_drift"], ""),
        (["no_data"], "no_data"),
    ],
)
def test_a_model_is_called_drifted_only_where_something_drifted(
    kinds: list[str], said: str
) -> None:
    """An incident about what serves, or about labels that stay away, is named by its kind."""
    assert queries_fleet.named(kinds) == said


def test_a_model_with_a_serving_mismatch_alone_says_so(fleet: Fleet) -> None:
    with fleet.sessions.begin() as session:
        for row in session.scalars(select(IncidentRow).where(IncidentRow.model == MODEL)):
            row.kind = "serving_mismatch"
    for path in ("/", MODEL_PATH):
        page = browser_on(fleet).get(path).text
        assert '<i aria-hidden="true"></i>serving mismatch</span>' in page
        assert not re.search(r'status-drifted"><i aria-hidden="true"></i>drifted.*lede', page)
    lede = re.search(r'<p class="lede">(.*?)</p>', browser_on(fleet).get(MODEL_PATH).text, re.S)
    assert lede is not None
    assert "drifted</span>" not in lede[1]


def test_the_model_page_says_what_could_be_found(client: TestClient) -> None:
    """The smallest shift of each stream of the slice, or why it abstains."""
    page = client.get(MODEL_PATH).text
    assert "the smallest lasting shift that shows within 30 windows" in page
    assert "0.043 of the mean rank" in page
    assert "abstains: no shift would show in time yet" in page
    short = client.get(MODEL_PATH, params={"slice": BAD_SLICE}).text
    assert short.count("abstains: 34 of 200 windows of history") == 4


def test_the_model_page_says_what_it_costs(client: TestClient, fleet: Fleet) -> None:
    """With a price, what 1000 inferences cost and what all of them did; without one nothing."""
    page = client.get(f"/models/{MODEL}/{DEPLOYMENT}").text
    cost = page[page.index('id="cost"') :].partition("</section>")[0]
    assert "0.8 EUR each an hour" in cost
    for span, hours in (("last hour", timedelta(hours=1)), ("last day", timedelta(days=1))):
        row = re.search(rf"{span}</th>.*?<b>([\d.e-]+)</b> EUR</td><td[^>]*>([\d.]+) EUR", cost)
        with fleet.sessions() as session:
            found = cost_since(session, fleet.settings.models[0], fleet.clock.now() - hours)
        assert row is not None
        assert found is not None
        assert float(row[1]) == pytest.approx(found.per_thousand, rel=0.01)
        assert float(row[2]) == pytest.approx(found.total, rel=0.01)
    free = fleet.settings.models[0].model_copy(update={"price_per_hour": None})
    unpriced = replace(fleet, settings=fleet.settings.model_copy(update={"models": (free,)}))
    assert 'id="cost"' not in browser_on(unpriced).get(f"/models/{MODEL}/{DEPLOYMENT}").text


def test_an_unknown_slice_span_or_signal_shows_the_default(client: TestClient) -> None:
    """A stale or mistyped link still shows the model, with all traffic."""
    answer = client.get(MODEL_PATH, params={"slice": "x=y", "span": "9y", "signal": "nope"})
    assert answer.status_code == 200
    assert "all traffic" in answer.text


@pytest.mark.parametrize("span", list(pages.SPANS))
def test_every_time_range_is_shown(client: TestClient, span: str) -> None:
    """Each range of the switch gives a page."""
    page = client.get(MODEL_PATH, params={"span": span})
    assert page.status_code == 200
    assert 'aria-current="true">' + span in page.text


def test_the_incident_page_tells_the_whole_story(client: TestClient, fleet: Fleet) -> None:
    """Times, findings, all reasons of the refusal, deliveries, timeline and runbook."""
    page = client.get(f"/incidents/{fleet.incidents['input_fault']}").text
    for told in (
        "+1 min 39 s",  # onset to detection
        "4.7×",
        "Refused because",
        "every version would see them",
        "v0 would be no better",
        "it began 30 minutes after the last release",
        "Would it help?",
        "asked the site to refocus",
        "429 from Slack",
        "Runbook",
        "named",
    ):
        assert told in page, told
    assert page.count('class="plot series"') == 4
    assert "during the incident" in page


def test_the_incident_page_shows_onset_interval_shares_and_exemplars(
    client: TestClient, fleet: Fleet
) -> None:
    """When it began, which signals and slices carry the evidence, and records that show it."""
    page = client.get(f"/incidents/{fleet.incidents['input_fault']}").text
    first, last = (ONSET - timedelta(minutes=2)), (ONSET + timedelta(minutes=1))
    assert f"between {first:%H:%M:%S} and {last:%H:%M:%S}" in page
    assert "Evidence by signals" in page
    assert "Evidence by slices" in page
    shown = page[page.index("Records that show it most") :]
    shown = shown[: shown.index("</section>")]
    assert shown.count("<li") == 24  # six records of each of four signals
    assert "camera cam-04, site south" in shown
    assert "cam-01" not in shown


def test_thumbnails_of_exemplars_are_part_of_the_page() -> None:
    """Grey and colour alike; where privacy keeps none there is no picture."""
    shown = Shown(
        record_id="r1",
        time_s=0.0,
        value=0.4,
        prediction=3,
        metadata={"site": "a"},
        uri="",
        contribution=2.0,
        pixels=np.zeros((8, 8, 1), np.uint8),
    )
    grey = line_of(shown, ("0", "1", "2", "three"))
    assert grey.image is not None
    assert grey.image.startswith("data:image/png;base64,iVBOR")
    assert (grey.prediction, grey.where) == ("three", "site a")
    colour = line_of(replace(shown, pixels=np.zeros((8, 8, 3), np.uint8), prediction=-1), ())
    assert colour.image is not None
    assert colour.prediction == ""
    assert line_of(replace(shown, pixels=None), ()).image is None


def test_an_incidents_runbook_is_filled_with_its_context(client: TestClient, fleet: Fleet) -> None:
    """The runbook beside the incident speaks of this slice and this model."""
    page = client.get(f"/incidents/{fleet.incidents['input_fault']}").text
    beside = page[page.index('<aside class="runbook"') :]
    assert "cam-04" in beside


def test_relabel_items_show_their_thumbnails(client: TestClient, fleet: Fleet) -> None:
    """The first 24 of 40 queued images are shown, and load as PNG."""
    page = client.get(f"/incidents/{fleet.incidents['domain_shift']}").text
    found = re.findall(r'<img src="(/relabel/\d+\.png)"', page)
    assert len(found) == 24
    assert "40 images queued" in page
    image = client.get(found[0])
    assert image.headers["content-type"] == "image/png"
    assert image.content.startswith(b"\x89PNG")


def test_an_image_that_is_not_kept_is_not_served(client: TestClient, fleet: Fleet) -> None:
    """Its batch was deleted, or never had this record: 404, and no error."""
    from incident_rows import task_row

    with fleet.sessions.begin() as session:
        lost = task_row(batch="nowhere", looks="pixels")
        stranger = task_row(
            batch=f"incident-{fleet.incidents['domain_shift']}", record_id="s", looks="pixels"
        )
        session.add_all([lost, stranger])
        session.flush()
        keys = [lost.id, stranger.id]
    for key in keys:
        assert client.get(f"/relabel/{key}.png").status_code == 404


def test_hostile_metadata_is_shown_as_text_everywhere(client: TestClient, fleet: Fleet) -> None:
    """A script in a slice, a version, a reason or an actor never becomes markup."""
    for path in ("/", "/incidents?state=all", f"/incidents/{fleet.incidents['hostile']}"):
        page = client.get(path).text
        assert HOSTILE not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_pages_load_nothing_from_elsewhere(client: TestClient, fleet: Fleet) -> None:
    """No inline script or style, nothing from another host, and a policy that forbids it."""
    paths = ["/", MODEL_PATH, "/incidents", "/runbooks", "/login"]
    paths += [f"/incidents/{key}" for key in fleet.incidents.values()]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not re.search(r'(src=|<link[^>]*href=)"(https?:)?//', answer.text), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script>", answer.text), path


def test_runbooks_are_listed_and_shown(client: TestClient) -> None:
    """Every runbook of the library has a page; an unknown one says so."""
    names = re.findall(r'href="/runbooks/([a-z_]+)"', client.get("/runbooks").text)
    assert "model_regression" in names
    for name in names:
        assert client.get(f"/runbooks/{name}").status_code == 200, name
    assert client.get("/runbooks/nothing").status_code == 404


def test_a_runbook_reached_from_an_incident_speaks_of_it(client: TestClient, fleet: Fleet) -> None:
    """The link carries the incident; without one the page is general, with links that work."""
    key = fleet.incidents["input_fault"]
    own = client.get("/runbooks/input_fault", params={"incident": key}).text
    assert "cam-04" in own
    general = client.get("/runbooks/input_fault").text
    assert "cam-04" not in general
    assert "](" not in general
    assert client.get("/runbooks/input_fault", params={"incident": 9999}).status_code == 404


@pytest.mark.parametrize(
    "path", ["/incidents/9999", "/incidents/x", "/models/none/production", "/static/../x"]
)
def test_what_is_not_there_is_a_page_that_says_so(client: TestClient, path: str) -> None:
    """Unknown incidents and models give a 404, never a stack trace."""
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_an_empty_fleet_explains_how_to_begin(new_fleet: Fleet) -> None:
    """Before the first window every page works and says what will appear."""
    browser = browser_on(new_fleet)
    assert "no data" in browser.get("/").text
    assert "Nothing was judged in this time" in browser.get(MODEL_PATH).text
    assert "No open incident." in browser.get("/incidents").text


def test_static_files_are_typed(client: TestClient) -> None:
    """Style sheet and script come with their types, so that nosniff lets them through."""
    assert client.get("/static/console.css").headers["content-type"].startswith("text/css")
    assert client.get("/static/console.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/static/pages.py").status_code == 404


def test_without_drift_a_model_shows_a_signal_that_its_task_has() -> None:
    """Confidence where there is one; a detector has none, and shows its first."""
    assert queries_windows.first_signal(["brightness", "confidence"]) == "confidence"
    assert queries_windows.first_signal(["brightness", "object_count"]) == "brightness"
    assert queries_windows.first_signal([]) == "confidence"


def test_the_hint_how_to_build_a_baseline_names_the_task(new_fleet: Fleet) -> None:
    """What is no classifier is measured with signals of its own."""
    layout = Layout(keys=(), signals=("object_count",), bins=8, classes=3, features=0)
    end = new_fleet.clock.now()
    where: dict[str, Any] = {"source": "gate-7", "version": "v1", "deployment": "production"}
    with new_fleet.sessions.begin() as session:
        for model, task in (("finder", "detection"), ("reader", "classification")):
            session.add(
                SourceRow(model=model, boot="b1", first_seen_at=end, last_window_at=end, **where)
            )
            session.add(
                WindowRow(
                    model=model,
                    boot=model,
                    sequence=1,
                    start_at=end - timedelta(seconds=60),
                    end_at=end,
                    received_at=end,
                    origin="live",
                    ruler="0" * 64,
                    verified=False,
                    records=0,
                    blob=pack_summary(Summary.empty(replace(layout, task=task)), {}, NO_FAULTS),
                    **where,
                )
            )
    with browser_on(new_fleet) as browser:
        assert "v1 --task detection --from" in browser.get("/models/finder/production").text
        assert "v1 --from" in browser.get("/models/reader/production").text
