"""What the service asks of taps is kept to from the first window on; the stricter of both wins."""

from __future__ import annotations

import json

import numpy as np
import pytest

from monitor.settings.schema import Settings, WatchedModel
from vigil import Tap
from vigil.privacy import Privacy
from vigil.privacy.hashing import is_hashed
from vigil.shipping.transport import MemoryTransport
from vigil.windows.window import Window

N = 6


def sent(policy, *, privacy=None, label=True, **changes):
    """The window of a tap whose service asks for a policy, the labels, and the tap's figures."""
    transport = MemoryTransport()
    transport.policy = policy
    tap = Tap("m", "v1", transport=transport, source="s", privacy=privacy or Privacy(pixels="full"))
    rng = np.random.default_rng(0)
    arguments = {
        "images": rng.integers(0, 256, (N, 40, 40, 3), np.uint8),
        "outputs": np.full((N, 4), 0.25),
        "metadata": {"site": "n", "name": "x", "consent": [1, 0] * (N // 2)},
        "ids": [f"p{i}" for i in range(N)],
        "uris": [f"u{i}" for i in range(N)],
    }
    told = tap.record(**{**arguments, **changes})
    tap.label(told, [1] * N)
    assert tap.flush()
    tap.close()
    windows = [Window.from_bytes(blob) for blob in transport.windows.values()]
    (window,) = [one for one in windows if one.summary.total_records]
    return window, transport.labels


def test_pixels_never_exceed_what_the_service_allows():
    assert all(sent("{}")[0].sample.pictures)
    assert all(sent(None)[0].sample.pictures)
    window, _ = sent(json.dumps({"pixels": "thumbnails"}))
    assert (window.sample.has_thumbnails, window.sample.pictures) == (True, ())
    window, _ = sent(json.dumps({"pixels": "none"}))
    assert (window.sample.has_thumbnails, window.sample.pictures) == (False, ())
    window, _ = sent(json.dumps({"pixels": "full"}), privacy=Privacy())
    assert not window.sample.has_thumbnails


def test_identifiers_and_metadata_follow_the_policy():
    asked = {"metadata": ["site"], "ids": "hash", "uris": "drop"}
    window, labels = sent(json.dumps(asked))
    assert {tuple(row) for row in window.sample.metadata} == {("site",)}
    assert all(map(is_hashed, window.sample.ids))
    assert set(window.sample.uris) == {""}
    assert {row["id"] for row in labels} == set(window.sample.ids)


@pytest.mark.parametrize(("without", "records"), [("count", N), ("drop", N // 2)])
def test_consent_is_asked_for_where_the_service_wants_it(without, records):
    window, _ = sent(json.dumps({"consent": ["consent"], "without_consent": without}))
    assert window.summary.total_records == records
    assert sorted(window.sample.ids) == ["p0", "p2", "p4"]
    assert window.dropped.get("no_consent", 0) == N - records


@pytest.mark.parametrize("policy", ["nonsense", '{"newer": true}', "[]"])
def test_a_policy_that_cannot_be_read_is_taken_for_the_strictest(policy):
    window, _ = sent(policy)
    assert not window.sample.has_thumbnails
    assert set(map(str, window.sample.metadata)) == {"{}"}
    assert all(map(is_hashed, window.sample.ids))


def test_a_section_asks_for_what_it_says_and_no_more():
    quiet = Settings(models=(WatchedModel(name="m"),))
    assert quiet.policy("m").to_json() == quiet.policy("other").to_json() == {}
    said = Settings(models=(WatchedModel(name="m", pixels="none"),))
    assert said.policy("m").to_json() == {"pixels": "none"}


def test_of_several_deployments_the_strictest_counts():
    """A tap asks by the model's name."""
    settings = Settings(
        models=(
            WatchedModel(name="m", pixels="full", privacy={"uris": "hash"}),
            WatchedModel(name="m", deployment="eu", pixels="thumbnails", privacy={"ids": "hash"}),
        )
    )
    found = settings.policy("m").to_json()
    assert found == {"pixels": "thumbnails", "uris": "hash", "ids": "hash"}


def test_keys_to_slice_by_must_be_allowed():
    with pytest.raises(ValueError, match=r"privacy\.metadata: expected the model's keys"):
        WatchedModel(name="m", keys=("camera",), privacy={"metadata": ("site",)})
