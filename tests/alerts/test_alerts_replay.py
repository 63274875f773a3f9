"""A replay gives probabilities of the very images and version asked for, or says why it can't."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from alerts.actions import replay
from alerts.actions.replay import ReplayClient, ReplayError
from alerts.actions.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, refusal
from vigil.clock import SystemClock
from vigil.errors import WireError
from vigil.windows import wire

SECRET = "a-very-secret-secret"
IMAGES = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)


def client_with(handler):
    return ReplayClient(
        "http://model/replay",
        SECRET,
        client=httpx.Client(transport=httpx.MockTransport(handler)),
    )


def endpoint(request):
    """What a model's owner writes."""
    body = request.read()
    why = refusal(
        SECRET,
        request.headers.get(TIMESTAMP_HEADER),
        request.headers.get(SIGNATURE_HEADER),
        body,
        now_s=SystemClock().now().timestamp(),
    )
    if why:
        return httpx.Response(401, text=why)
    version, images = replay.unpack_request(body)
    if version != "v1":
        return httpx.Response(404)
    shares = images.reshape(len(images), -1).mean(axis=1, dtype=np.float32) / 255
    probabilities = np.stack([shares, 1 - shares], axis=1)
    return httpx.Response(200, content=replay.pack_reply(version, probabilities))


def test_the_images_go_there_and_probabilities_come_back():
    """Signed, in order, one row an image."""
    answer = client_with(endpoint).replay("v1", IMAGES)
    expected = IMAGES.reshape(5, -1).mean(axis=1) / 255
    np.testing.assert_allclose(answer.probabilities[:, 0], expected, rtol=1e-6)
    assert answer.embeddings.shape == (5, 0)


def test_an_unknown_version_is_named():
    """The endpoint answers 404."""
    with pytest.raises(ReplayError, match="does not have v9"):
        client_with(endpoint).replay("v9", IMAGES)


def reply_with(header, **arrays):
    return lambda request: httpx.Response(200, content=wire.pack(header, arrays))


def failing(error):
    def handler(request):
        raise error

    return handler


ROWS = np.full((5, 2), 0.5, np.float32)
GOOD = {"what": "replayed", "version": "v1"}


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (reply_with({**GOOD, "version": "v2"}, probabilities=ROWS), "expected a replay of v1"),
        (reply_with(GOOD, probabilities=ROWS[:4]), "probabilities: expected floats"),
        (reply_with(GOOD), "probabilities: expected floats"),
        (reply_with(GOOD, probabilities=ROWS, embeddings=ROWS[:1]), "embeddings: expected"),
        (reply_with(GOOD, probabilities=ROWS.astype(np.int32)), "expected floats"),
        (lambda request: httpx.Response(200, text="ok"), "does not fit"),
        (lambda request: httpx.Response(500), "answered 500"),
        (failing(httpx.ReadTimeout("x")), "no answer within 10 s"),
        (failing(httpx.ConnectError("x")), "out of reach"),
    ],
)
def test_what_does_not_fit_is_an_error_with_its_reason(handler, message):
    """Never a wrong counterfactual, and never a secret in the text."""
    with pytest.raises(ReplayError, match=message) as caught:
        client_with(handler).replay("v1", IMAGES)
    assert SECRET not in str(caught.value)


def test_without_images_nothing_is_asked():
    """Privacy kept none: that is the reason."""
    with pytest.raises(ReplayError, match="no images are kept"):
        client_with(endpoint).replay("v1", IMAGES[:0])


def test_a_request_that_is_not_one_is_refused():
    """For the endpoint's side."""
    for body in (wire.pack({"what": "window"}, {}), b"x"):
        with pytest.raises(WireError):
            replay.unpack_request(body)
    odd = wire.pack({"what": "replay", "version": "v1"}, {"images": ROWS})
    with pytest.raises(WireError, match="expected uint8"):
        replay.unpack_request(odd)
    assert SECRET not in repr(client_with(endpoint))
