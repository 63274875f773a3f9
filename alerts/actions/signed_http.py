"""One way to post something signed: the client that webhooks and replays share."""

from __future__ import annotations

import httpx

from alerts.actions.signing import sign
from vigil.clock import Clock, SystemClock


class SignedHttp:
    """Posts bodies to one URL, signed as ``alerts.actions.signing`` says; follows no redirect.

    Args:
        url: of the receiver.
        secret: shared with it; never shown.
        timeout_s: for one request.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        timeout_s: float = 10.0,
        clock: Clock | None = None,
        client: httpx.Client | None = None,
    ) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._secret = secret
        self._clock = clock or SystemClock()
        self._client = client or httpx.Client(timeout=timeout_s, follow_redirects=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host!r})"

    @property
    def host(self) -> str:
        """What an error may show of the URL: paths and queries often hold secrets."""
        try:
            parsed = httpx.URL(self.url)
        except httpx.InvalidURL:
            return "(invalid URL)"
        return f"{parsed.scheme}://{parsed.host}" + (f":{parsed.port}" if parsed.port else "")

    def close(self) -> None:
        self._client.close()

    def _post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Raises:
        httpx.HTTPError, httpx.InvalidURL: no answer.
        """
        signed = sign(self._secret, int(self._clock.now().timestamp()), body)
        return self._client.post(self.url, content=body, headers={**headers, **signed})
