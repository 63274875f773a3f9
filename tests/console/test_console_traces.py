"""From an incident to the traces of its records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from console_browser import browser_on
from console_world import Fleet

from monitor.response import exemplars
from monitor.web.console import queries_exemplars

TRACE = "0af7651916cd43dd8448eb211c80319c"


def with_traces(trace_id: str) -> Callable[..., Any]:
    """The fleet's own exemplars, as if their clients had been traced."""

    def found(*arguments: Any) -> dict[str, tuple[exemplars.Shown, ...]]:
        return {
            signal: tuple(replace(one, trace_id=trace_id) for one in records)
            for signal, records in exemplars.exemplars_of(*arguments).items()
        }

    return found


@pytest.mark.parametrize(
    ("trace_id", "link"),
    [
        (TRACE, f"https://traces.example.org/trace/{TRACE}?from=vigil"),
        ('"><b>', "https://traces.example.org/trace/%22%3E%3Cb%3E?from=vigil"),
    ],
)
def test_records_of_an_incident_link_to_their_traces(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, trace_id: str, link: str
) -> None:
    """Where the settings say how; a trace id is a client's word, and is quoted."""
    monkeypatch.setattr(queries_exemplars, "exemplars_of", with_traces(trace_id))
    page = f"/incidents/{fleet.incidents['input_fault']}"
    with browser_on(fleet) as browser:
        assert "traces.example.org" not in browser.get(page).text
    address = "https://traces.example.org/trace/{trace_id}?from=vigil"
    service = fleet.settings.service.model_copy(update={"trace_url": address})
    settings = fleet.settings.model_copy(update={"service": service})
    with browser_on(replace(fleet, settings=settings)) as browser:
        shown = browser.get(page).text
    assert shown.count(f'<a href="{link}"') == 24
    assert "<b>?from" not in shown


def test_records_without_a_trace_have_no_link(fleet: Fleet) -> None:
    service = fleet.settings.service.model_copy(update={"trace_url": "https://t/{trace_id}"})
    settings = fleet.settings.model_copy(update={"service": service})
    with browser_on(replace(fleet, settings=settings)) as browser:
        assert "https://t/" not in browser.get(f"/incidents/{fleet.incidents['input_fault']}").text
