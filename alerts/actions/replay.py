"""The counterfactual: run the same images through another version, where the model lives.

Request: ``POST {url}``, signed as ``alerts.actions.signing`` says; the body is
``vigil.windows.wire`` with the header ``{"what": "replay", "version": ...}`` and the array
``images`` (n, h, w, c) uint8. Reply: 200 and ``vigil.windows.wire`` with
``{"what": "replayed", "version": ...}``,
``probabilities`` (n, K) and, if there are any, ``embeddings`` (n, d). The model's owner runs the
endpoint beside the model: images never go elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import numpy as np
from numpy.typing import NDArray

from alerts.actions.signed_http import SignedHttp
from vigil.errors import VigilError, WireError
from vigil.windows import wire

CONTENT_TYPE = "application/octet-stream"
LIMIT_BYTES = 64 * 2**20
NO_IMAGES = "no images are kept to replay"


class ReplayError(VigilError):
    """A replay that could not be had; its text is the interlock's ``why_unavailable``."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Replayed:
    """What a version makes of n images. ``embeddings`` (n, 0) where it gives none."""

    version: str
    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]


def pack_request(version: str, images: NDArray[np.uint8]) -> bytes:
    return wire.pack({"what": "replay", "version": version}, {"images": images})


def unpack_request(body: bytes) -> tuple[str, NDArray[np.uint8]]:
    """For the endpoint beside the model.

    Raises:
        WireError: not a replay request.
    """
    header, arrays = wire.unpack(body, limit_bytes=LIMIT_BYTES)
    images = arrays.get("images")
    if header.get("what") != "replay" or images is None:
        raise WireError(f"expected a replay request, found {header.get('what')!r}")
    if images.dtype != np.uint8 or images.ndim != 4:
        raise WireError(f"images: expected uint8 (n, h, w, c), found {images.dtype} {images.shape}")
    return str(header.get("version")), images


def pack_reply(
    version: str,
    probabilities: NDArray[np.float32],
    embeddings: NDArray[np.float32] | None = None,
) -> bytes:
    arrays: dict[str, NDArray[Any]] = {"probabilities": probabilities}
    if embeddings is not None:
        arrays["embeddings"] = embeddings
    return wire.pack({"what": "replayed", "version": version}, arrays)


def unpack_reply(body: bytes, *, version: str, records: int) -> Replayed:
    """Raises:
    WireError: not the reply to a replay of ``records`` images through ``version``.
    """
    header, arrays = wire.unpack(body, limit_bytes=LIMIT_BYTES)
    if header.get("what") != "replayed" or header.get("version") != version:
        found = f"{header.get('what')!r} of {header.get('version')!r}"
        raise WireError(f"expected a replay of {version}, found {found}")
    probabilities = arrays.get("probabilities")
    embeddings = arrays.get("embeddings", np.zeros((records, 0), np.float32))
    for name, array in (("probabilities", probabilities), ("embeddings", embeddings)):
        if array is None or array.ndim != 2 or len(array) != records or array.dtype.kind != "f":
            shape = None if array is None else (array.shape, str(array.dtype))
            raise WireError(f"{name}: expected floats ({records}, ...), found {shape}")
    assert probabilities is not None
    return Replayed(
        version=version,
        probabilities=probabilities.astype(np.float32),
        embeddings=embeddings.astype(np.float32),
    )


class Replays(Protocol):
    """Runs images through a version: an endpoint beside the model, or a function of its owner."""

    def replay(self, version: str, images: NDArray[np.uint8]) -> Replayed:
        """Run ``images`` (n, h, w, c) through ``version``.

        Raises:
            ReplayError: there is no counterfactual, and why.
        """
        ...


class ReplayClient(SignedHttp):
    """Runs images through a version, at the endpoint beside the model."""

    def replay(self, version: str, images: NDArray[np.uint8]) -> Replayed:
        """Run ``images`` (n, h, w, c) through ``version``.

        Raises:
            ReplayError: no images, no answer in time, a refusal, or a reply that does not fit.
        """
        if not len(images):
            raise ReplayError(NO_IMAGES)
        body = pack_request(version, np.ascontiguousarray(images, np.uint8))
        try:
            reply = self._post(body, {"Content-Type": CONTENT_TYPE})
        except httpx.TimeoutException:
            raise ReplayError(
                f"the replay endpoint gave no answer within {self.timeout_s:g} s"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ReplayError(
                f"the replay endpoint is out of reach ({type(error).__name__})"
            ) from None
        if reply.status_code == 404:
            raise ReplayError(f"the replay endpoint does not have {version}")
        if reply.status_code != 200:
            raise ReplayError(f"the replay endpoint answered {reply.status_code}")
        try:
            return unpack_reply(reply.content, version=version, records=len(images))
        except WireError as error:
            raise ReplayError(f"the replay endpoint's reply does not fit: {error}") from None
