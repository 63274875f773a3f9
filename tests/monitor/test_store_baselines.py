"""Baselines: content-addressed, one active for each version."""

from __future__ import annotations

import pytest
import stored

from monitor.services import Services
from monitor.store import baselines
from vigil.errors import NotFoundError
from vigil.types import ModelRef


def test_new_baseline_takes_over(services: Services) -> None:
    """The one before is retired, kept, and still found by the ruler that windows carry."""
    first, second = stored.baseline(seed=1), stored.baseline(seed=2)
    other = stored.baseline(ModelRef(name="digits", version="v2"))
    with services.sessions.begin() as session:
        for one in (first, second, other):
            baselines.add(session, one)
    with services.sessions() as session:
        active = baselines.active(session, "digits", "v1")
        old = baselines.by_ruler(session, first.ruler.id)
        states = {row.sha256: row.state for row in baselines.rows(session, "digits")}
    assert active is not None
    assert old is not None
    assert (active.sha256, old.sha256) == (second.sha256, first.sha256)
    assert states == {first.sha256: "retired", second.sha256: "active", other.sha256: "active"}


def test_same_content_is_kept_once(services: Services) -> None:
    """Adding it again makes it active again and no second row."""
    first, second = stored.baseline(seed=1), stored.baseline(seed=2)
    with services.sessions.begin() as session:
        ids = [baselines.add(session, one).id for one in (first, second, first)]
        active = baselines.active(session, "digits", "v1")
    assert ids[0] == ids[2] != ids[1]
    assert active is not None
    assert active.sha256 == first.sha256


def test_baseline_is_kept_without_being_used(services: Services) -> None:
    """``activate=False`` leaves the version unverified."""
    with services.sessions.begin() as session:
        baselines.add(session, stored.baseline(), activate=False)
        assert baselines.active(session, "digits", "v1") is None
        assert baselines.active_ruler(session, "digits", "v1") is None


def test_baseline_is_found_by_the_start_of_its_hash(services: Services) -> None:
    """As people type it; several or none are an error, wildcards are plain text."""
    first, second = stored.baseline(seed=1), stored.baseline(seed=2)
    with services.sessions.begin() as session:
        baselines.add(session, first)
        baselines.add(session, second)
        assert baselines.by_sha256(session, first.sha256[:12]).sha256 == first.sha256
        for prefix in ("", "zz", "%"):
            with pytest.raises(NotFoundError, match="expected one that starts so"):
                baselines.by_sha256(session, prefix)
