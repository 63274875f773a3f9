"""Whether a request comes from Slack: ``v0=HMAC-SHA256(secret, "v0:{timestamp}:{body}")``.

``slack_sdk`` computes and compares. It raises on a timestamp that is no number, on a signature
with letters outside ASCII and on a body that is no UTF-8; all of these are simply not from Slack.
"""

from __future__ import annotations

import re

from slack_sdk.signature import Clock, SignatureVerifier

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)


class _At(Clock):
    def __init__(self, now_s: float) -> None:
        self._now_s = now_s

    def now(self) -> float:
        return self._now_s


def is_from_slack(
    body: bytes, *, secret: str, timestamp: str | None, signature: str | None, now_s: float
) -> bool:
    """Whether the signature is right and at most 300 s old (or 300 s early).

    Args:
        body: as it came.
        secret: the app's signing secret.
        timestamp: header ``X-Slack-Request-Timestamp``.
        signature: header ``X-Slack-Signature``.
        now_s: seconds since 1970.
    """
    if not timestamp or not _TIMESTAMP.fullmatch(timestamp):
        return False
    if not signature or not _SIGNATURE.fullmatch(signature):
        return False
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    verifier = SignatureVerifier(secret, clock=_At(now_s))
    return verifier.is_valid(text, timestamp, signature)
