"""Signatures of the requests that vigil sends to webhooks.

``X-Vigil-Timestamp: <unix seconds>`` and ``X-Vigil-Signature: v1=<hex>``, where the hex digits are
HMAC-SHA256 over ``v1:{timestamp}:{raw body}``. A receiver refuses timestamps more than 300 s off,
so that a recorded request cannot be sent again later.
"""

from __future__ import annotations

import hashlib
import hmac

TIMESTAMP_HEADER = "X-Vigil-Timestamp"
SIGNATURE_HEADER = "X-Vigil-Signature"
TOLERANCE_S = 300.0


def sign(secret: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The two headers that prove who sent ``body`` and when."""
    return {
        TIMESTAMP_HEADER: str(timestamp_s),
        SIGNATURE_HEADER: f"v1={_digest(secret, timestamp_s, body)}",
    }


def refusal(
    secret: str, timestamp: str | None, signature: str | None, body: bytes, *, now_s: float
) -> str | None:
    """Why a signature does not hold; None where it does. Never raises, whatever was sent."""
    if not timestamp or not signature:
        return f"{TIMESTAMP_HEADER} and {SIGNATURE_HEADER} are required"
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 20):
        return f"{TIMESTAMP_HEADER}: expected seconds since 1970"
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        return f"{TIMESTAMP_HEADER} is more than {TOLERANCE_S:.0f} s off"
    expected = f"v1={_digest(secret, int(timestamp), body)}"
    given = signature.encode("utf-8", "replace")
    if not hmac.compare_digest(expected.encode(), given):
        return f"{SIGNATURE_HEADER} does not match the body"
    return None


def _digest(secret: str, timestamp_s: int, body: bytes) -> str:
    message = f"v1:{timestamp_s}:".encode() + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
