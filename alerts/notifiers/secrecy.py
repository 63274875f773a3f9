"""Secrets taken out of what others say: who is sent one may repeat it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, urlsplit

from alerts.notifiers.fit import clip, plain

_LEAST = 4
_SAID = 300


class Hidden:
    """Shows texts without the secrets, however they were written down.

    Args:
        secrets: each as it is; of a URL, what is after its host is secret too.
    """

    def __init__(self, *secrets: str) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _LEAST}
        self._forms = sorted(forms, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Hidden({len(self._forms)} forms)"

    def __call__(self, text: str) -> str:
        """``text`` on one line, without the secrets, at most 300 characters."""
        for form in self._forms:
            text = text.replace(form, "(hidden)")
        return clip(plain(text), _SAID)


def _forms(secret: str) -> Iterator[str]:
    for each in (secret, *_of_url(secret)):
        yield each
        yield quote(each, safe="")
        yield quote(each)
        yield json.dumps(each)[1:-1]
        yield base64.b64encode(each.encode()).decode()


def _of_url(text: str) -> Iterable[str]:
    """What follows the host: the whole, and the pieces that are long enough to be guarded."""
    if "://" not in text:
        return ()
    url = urlsplit(text)
    tail = url.path + (f"?{url.query}" if url.query else "")
    pieces = tail.replace("?", "/").replace("&", "/").replace("=", "/").split("/")
    return tail, url.query, url.path.strip("/"), *(each for each in pieces if len(each) >= 8)


def basic(user: str, password: str) -> str:
    """The credentials of HTTP's basic authentication."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()
