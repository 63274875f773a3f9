"""How hooks talk to a server: one request, and what its refusal means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from alerts.notifiers.secrecy import Hidden
from monitor.retraining.hooks.protocol import HookReport, HookState

TIMEOUT_S = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A status with the JSON object that came with it; empty where there was none."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Server:
    """A server's API with its credentials, which no report shows. Follows no redirect.

    Args:
        url: where the API begins.
        headers: of every request, credentials among them.
        secret: what no report may show, though the server repeats it.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        secret: str,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._url = url.rstrip("/")
        self._hidden = Hidden(secret)
        self._client = httpx.Client(
            headers={"Accept": "application/json", **headers},
            timeout=timeout_s,
            follow_redirects=False,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host!r})"

    @property
    def host(self) -> str:
        """What a report may show of the URL."""
        parsed = httpx.URL(self._url)
        return f"{parsed.scheme}://{parsed.host}" + (f":{parsed.port}" if parsed.port else "")

    def close(self) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Reply | HookReport:
        """The reply; an unclear report where none came."""
        try:
            reply = self._client.request(method, f"{self._url}{path}", json=json, params=params)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return HookReport(
                state=HookState.UNCLEAR, text=f"{self.host}: no answer ({type(error).__name__})"
            )
        return Reply(status=reply.status_code, body=object_in(reply), headers=reply.headers)

    def refusal(self, reply: Reply, said: str = "") -> HookReport:
        """What a reply that is no success means: failed for good, or not now."""
        text = f"{self.host} answered {reply.status}" + (f": {self._hidden(said)}" if said else "")
        for_now = reply.status in (408, 425, 429) or reply.status >= 500
        if for_now or (reply.status == 403 and is_limit(reply)):
            return HookReport(state=HookState.UNCLEAR, text=f"{text}; tried again")
        return HookReport(state=HookState.FAILED, text=text)


def is_limit(reply: Reply) -> bool:
    """Whether a 403 is GitHub's rate limit, which passes."""
    return "retry-after" in reply.headers or reply.headers.get("x-ratelimit-remaining") == "0"


def object_in(reply: httpx.Response) -> Mapping[str, Any]:
    """The JSON object of a reply, half an answer or none being an empty one."""
    try:
        plain = reply.json()
    except ValueError:
        return {}
    return plain if isinstance(plain, dict) else {}
