"""The first route that matches decides; where none does, the console hears it and why."""

from __future__ import annotations

from alerts.routing import Route, choose
from alerts.types import Severity
from vigil.types import Cause

FACTS = {"model": "m", "severity": Severity.ERROR, "cause": Cause.INPUT_FAULT}


def test_the_first_match_wins():
    """Later routes are not looked at; each receiver is named once."""
    routes = [
        Route(receivers=("a",), model="other"),
        Route(receivers=("b", "c", "b"), cause=Cause.INPUT_FAULT),
        Route(receivers=("d",)),
    ]
    answer = choose(routes, **FACTS)
    assert (answer.receivers, answer.route) == (("b", "c"), 1)
    assert answer.reason == "route 2 matches"


def test_severity_is_the_least_that_matches():
    """A route for errors hears critical incidents too."""
    route = [Route(receivers=("pager",), severity=Severity.ERROR)]
    for severity, receivers in (
        (Severity.CRITICAL, ("pager",)),
        (Severity.ERROR, ("pager",)),
        (Severity.WARNING, ("console",)),
    ):
        assert choose(route, **{**FACTS, "severity": severity}).receivers == receivers


def test_without_a_match_the_default_says_why():
    """Nothing is dropped for want of a route."""
    answer = choose([Route(receivers=("a",), model="x", cause=Cause.NO_DATA)], **FACTS)
    assert (answer.receivers, answer.route) == (("console",), None)
    assert answer.reason == "default (route 1: model is m, not x)"
    assert choose([], **FACTS).reason == "default (no routes are configured)"
