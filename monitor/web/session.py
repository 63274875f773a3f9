"""The console's session cookie and its protection against forged forms.

The cookie is ``token number.expiry.signature`` and holds no secret; revoking the token ends the
session. The CSRF value is a signature of the cookie, so that another site can't know it.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

from monitor.settings.secrets import Secret

COOKIE = "vigil_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
LIFETIME = timedelta(hours=12)


def make_cookie(token_id: int, *, secret: Secret, now: datetime) -> str:
    """The cookie of someone who logged in with this token."""
    body = f"{token_id}.{int((now + LIFETIME).timestamp())}"
    return f"{body}.{_sign(secret, 'session', body)}"


def read_cookie(cookie: str, *, secret: Secret, now: datetime) -> int | None:
    """The number of the token behind a cookie; None where it is forged, damaged or expired."""
    body, _, signature = cookie.rpartition(".")
    if not hmac.compare_digest(_sign(secret, "session", body).encode(), signature.encode()):
        return None
    token_id, _, expiry = body.partition(".")
    if not token_id.isdigit() or not expiry.isdigit() or int(expiry) <= now.timestamp():
        return None
    return int(token_id)


def csrf_value(cookie: str, *, secret: Secret) -> str:
    """What a form of this session must carry."""
    return _sign(secret, "csrf", cookie)


def csrf_is_right(cookie: str, value: str, *, secret: Secret) -> bool:
    """Whether a form came from our own page of this session."""
    return hmac.compare_digest(csrf_value(cookie, secret=secret).encode(), value.encode())


def _sign(secret: Secret, purpose: str, text: str) -> str:
    key = secret.reveal().encode()
    return hmac.new(key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()
