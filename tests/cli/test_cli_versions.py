"""``vigil release`` with what it says beside the version, and ``vigil versions``."""

from __future__ import annotations

import json
from typing import Any


def test_a_release_and_what_served_before_are_listed(run: Any) -> None:
    run("release", "reader", "v1", "--known-good")
    said = run(
        "release",
        "reader",
        "v2",
        "--share",
        "0.1",
        "--schema",
        "boxes-2",
        "--preprocessing",
        "resize-224",
        "--note",
        "more night images",
    )
    assert "reader/production: v2 serves 10% of the traffic, after v1" in said.stdout
    out = run("versions", "reader").stdout
    assert "announced  v1 90%, v2 10%: it was announced by" in out
    assert "registry   says nothing" in out
    assert "after v1, 10% of the traffic, preprocessing resize-224, schema boxes-2" in out
    assert "No windows of it have come yet." in out
    plain = json.loads(run("versions", "reader", "--json").stdout)
    assert plain["announced"]["shares"] == {"v2": 0.1, "v1": 0.9}
    assert [one["version"] for one in plain["events"]] == ["v2", "v1"]


def test_an_unknown_model_is_said_to_be(run: Any) -> None:
    run("db", "upgrade")
    assert "nothing is known of it" in run("versions", "nobody", code=2).output


def test_a_share_or_name_that_cannot_be_is_refused(run: Any) -> None:
    assert "--share" in run("release", "reader", "v1", "--share", "0", code=2).output
    assert "schema" in run("release", "reader", "v1", "--schema", "a\nb", code=2).output
    for version in ("", "v\n1", "v" * 201):
        said = run("release", "reader", version, code=2).stderr
        assert said.startswith("vigil: version: expected 1 to 200 printable characters")
