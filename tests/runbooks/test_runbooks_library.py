"""Every alert has a runbook that reads well, and a page of the user's own can take its place."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from alerts.types import AlertKind
from runbooks.library import VARIABLES, load, parse
from runbooks.template import fill
from vigil.errors import ConfigError, NotFoundError

VALUES = {name: f"the-{name}" for name in VARIABLES} | {
    "service_url": "http://127.0.0.1:8080",
    "incident_url": "http://127.0.0.1:8080/incidents/7",
    "incident_id": "7",
}
GOOD = """+++
title = "Own page"
alerts = ["input_fault"]
owner = "cameras"
severity = "error"
last_reviewed = 2026-01-31
first_step = "Call the site."
+++

Look at {{ slice }}.
"""


def test_every_kind_of_alert_has_a_runbook():
    """What ``vigil config check`` and the start of the service ask."""
    library = load()
    library.check(kind.value for kind in AlertKind)
    for kind in AlertKind:
        assert kind.value in library.for_alert(kind.value).alerts
    with pytest.raises(ConfigError, match=r"found none for fire, flood"):
        library.check(["input_fault", "flood", "fire"])
    with pytest.raises(NotFoundError):
        library.for_alert("flood")
    with pytest.raises(NotFoundError):
        library.get("flood")


@pytest.mark.parametrize("book", list(load()), ids=lambda book: book.name)
def test_the_pages_are_short_and_whole(book):
    """A page at night: one screen or two, a first step of a sentence, links that lead somewhere."""
    filled = book.fill(VALUES)
    assert "{{" not in filled
    assert len(book.body.splitlines()) < 75
    assert len(book.first_step) < 150
    assert "{{" not in book.first_step
    html = MarkdownIt("commonmark").enable("table").render(filled)
    for href in re.findall(r'href="([^"]*)"', html):
        assert href.startswith("http://127.0.0.1:8080/")
        named = re.match(r"http://127\.0\.0\.1:8080/runbooks/(\w+)", href)
        if named:
            assert load().get(named.group(1))


def test_a_folder_replaces_and_adds(tmp_path):
    """The user's page takes the alert over; the others stay."""
    (tmp_path / "our_cameras.md").write_text(GOOD)
    library = load(tmp_path)
    assert library.for_alert("input_fault").name == "our_cameras"
    assert library.for_alert("domain_shift").name == "domain_shift"
    library.check(kind.value for kind in AlertKind)
    (tmp_path / "input_fault.md").write_text(GOOD.replace("Own page", "Other"))
    with pytest.raises(ConfigError, match="one runbook for input_fault"):
        load(tmp_path)


def test_a_replaced_page_must_still_serve_its_alert(tmp_path):
    """Dropping the kind from the list leaves it without a runbook, and that is refused."""
    (tmp_path / "input_fault.md").write_text(GOOD.replace('["input_fault"]', "[]"))
    with pytest.raises(ConfigError, match="none for input_fault"):
        load(tmp_path).check(kind.value for kind in AlertKind)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("+++\n", "---\n", "front matter"),
        ('title = "Own page"', 'title = "', "front matter"),
        ('title = "Own page"', 'title = ""', "title"),
        ('title = "Own page"\n', "", "title"),
        ('["input_fault"]', '"input_fault"', "alerts"),
        ("owner =", "signals = [1]\nowner =", "signals"),
        ("owner =", 'dashboards = ["audit"]\nowner =', "dashboards"),
        ("owner =", 'dashboards = ["/x/{{ modle }}"]\nowner =', "{{ modle }}"),
        ('"error"', '"terrible"', "severity"),
        ("2026-01-31", '"yesterday"', "last_reviewed"),
        ("2026-01-31", "2026-01-31T00:00:00Z", "last_reviewed"),
        ("owner =", "oner =", "oner"),
        ("{{ slice }}", "{{ slise }}", "{{ slise }}"),
        ("Look at {{ slice }}.\n", "", "page"),
    ],
)
def test_a_page_at_fault_is_named_with_its_key(old, new, key):
    """File, key, what was expected and what was found."""
    with pytest.raises(ConfigError) as caught:
        parse(GOOD.replace(old, new), source="pages/own.md")
    assert caught.value.file == "pages/own.md"
    assert caught.value.key == key


def test_a_page_can_be_about_a_signal(tmp_path):
    """An alert of unknown cause about calibration shows that page; others the kind's own."""
    library = load()
    assert library.for_alert("unknown", "calibration").name == "calibration"
    assert library.for_alert("unknown", "latency_s").name == "latency"
    assert library.for_alert("unknown", "sharpness").name == "unknown"
    assert library.for_alert("unknown").name == "unknown"
    assert library.for_alert("model_regression", "calibration").name == "model_regression"
    (tmp_path / "ours.md").write_text(
        GOOD.replace('["input_fault"]', '["unknown"]\nsignals = ["calibration"]')
    )
    own = load(tmp_path)
    assert own.for_alert("unknown", "calibration").name == "ours"
    assert own.for_alert("unknown").name == "unknown"
    own.check(kind.value for kind in AlertKind)


def test_a_kind_needs_a_page_that_serves_it_whatever_the_signal(tmp_path):
    """One about a signal alone would leave the others without."""
    page = GOOD.replace('["input_fault"]', '["input_fault"]\nsignals = ["sharpness"]')
    (tmp_path / "input_fault.md").write_text(page)
    with pytest.raises(ConfigError, match="none for input_fault"):
        load(tmp_path).check(["input_fault"])


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    """And one that can't be read as text."""
    with pytest.raises(ConfigError, match="no such folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "bad.md").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path)


def test_values_are_escaped_for_where_they_stand():
    """Metadata is chosen by strangers: it can't make links, markup or commands."""
    hostile = "[x](http://evil) <b>`rm -rf /`</b> $(reboot); ${IFS}\n# title"
    text = fill("On {{ slice }}.", {"slice": hostile})
    html = MarkdownIt("commonmark").render(text)
    assert "<a" not in html
    assert "<b>" not in html
    assert "<code>" not in html
    assert "<h1>" not in html
    code = fill("```\nvigil show {{ model }}\n```", {"model": hostile})
    assert not set("`$;<>(){}#\\|&\"'") & set(code.removeprefix("```").removesuffix("```"))
    assert fill("`cmd {{ model }}`", {"model": "--delete"}) == "`cmd delete`"


def test_what_is_not_known_stays_readable():
    """A hole in the facts does not break the page; code in braces is never run."""
    assert fill("Go back to {{ previous_version }}.", {}) == "Go back to \\(previous version\\)."
    assert fill("{{ model.__class__ }} {{ 1+1 }} {% x %}", {}) == (
        "{{ model.__class__ }} {{ 1+1 }} {% x %}"
    )
    assert fill("[x]({{ incident_url }})", VALUES) == "[x](http://127.0.0.1:8080/incidents/7)"
    assert fill("{{ model }}", {"model": "{{ slice }}", "slice": "s"}) == "\\{\\{ slice \\}\\}"
