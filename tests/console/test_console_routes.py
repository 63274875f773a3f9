"""The page of routes draws the tree and answers who would be told; it changes nothing."""

from __future__ import annotations


def test_the_page_draws_the_tree_and_asks_nothing_at_first(client):
    page = client.get("/routes")
    assert page.status_code == 200
    assert "what no route matches" in page.text
    assert "no_data of a whole model explains its slices" in page.text
    assert "passes" not in page.text


def test_the_form_says_who_would_be_told_and_why(client):
    asked = {"model": "any/production", "severity": "error", "cause": "input_fault"}
    asked |= {"slice": "camera=c3", "at": "2026-11-21 03:00"}
    page = client.get("/routes", params=asked)
    assert page.status_code == 200
    for words in ("no silence matches it", "camera=c3", "at once", "model=any"):
        assert words in page.text


def test_what_can_not_be_asked_is_told_on_the_page(client):
    for wrong, said in (
        ({"severity": "awful"}, "severity: expected one of info"),
        ({"severity": "error", "cause": "moon"}, "cause: expected one of"),
        ({"severity": "error", "cause": "unknown", "at": "noon"}, "at: expected a moment"),
        ({"severity": "error", "cause": "unknown", "slice": "c3"}, "expected key=value"),
    ):
        page = client.get("/routes", params={"model": "any/production", **wrong})
        assert page.status_code == 200
        assert said in page.text
