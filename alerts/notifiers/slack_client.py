"""Slack's own client, made to follow no redirect: the bot's token is meant for Slack alone."""

from __future__ import annotations

from typing import IO, Any
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from slack_sdk import WebClient

from alerts.notifiers.http import MOST_ANSWER


class _Straight(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """None: the redirect itself is the answer."""
        del req, fp, code, msg, headers, newurl


class StraightClient(WebClient):
    """As ``WebClient``; an answer is cut at 256 KiB."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        del url
        opener = build_opener(_Straight, HTTPSHandler(context=self.ssl))
        with opener.open(req, timeout=self.timeout) as reply:
            body = reply.read(MOST_ANSWER).decode("utf-8", "replace")
            return {"status": reply.status, "headers": reply.headers, "body": body}
