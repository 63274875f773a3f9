"""A picture in the thread of a message, by Slack's upload in three steps.

Nothing is seen before the last step. When its answer is lost, the thread is searched for the file
before anything is sent again. Needs the scope ``files:write``.
"""

from __future__ import annotations

import logging
import urllib.error
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError

from alerts.notifiers.http import NotDelivered, ReceiverHttp
from alerts.notifiers.secrecy import Hidden
from alerts.notifiers.slack import judged_answer, judged_silence
from alerts.notifiers.slack_client import StraightClient
from alerts.types import DeliveryOutcome

_QUIET = logging.getLogger("alerts.slack_sdk")


class SlackUpload:
    """Args:
    token: a bot's; never shown.
    url: of the API.
    timeout_s: for one request.
    """

    def __init__(
        self, *, token: str, url: str = "https://slack.com/api/", timeout_s: int = 10
    ) -> None:
        self._hidden = Hidden(token)
        self._timeout_s = timeout_s
        self._client = StraightClient(
            token=token,
            base_url=url if url.endswith("/") else url + "/",
            timeout=timeout_s,
            retry_handlers=[],
            logger=_QUIET,
        )

    def hand_over(self, png: bytes, *, filename: str) -> str:
        """Give Slack the bytes; the file's id. Nobody sees it yet.

        Raises:
            NotDelivered: refused, or no answer.
        """
        ask = partial(self._client.files_getUploadURLExternal, filename=filename, length=len(png))
        answer = self._call(ask)
        address, file_id = str(answer["upload_url"]), str(answer["file_id"])
        http = ReceiverHttp("slack", hidden=Hidden(address), timeout_s=self._timeout_s)
        try:
            http.send("POST", address, content=png, headers={"Content-Type": "image/png"})
        finally:
            http.close()
        return file_id

    def show(self, file_id: str, *, title: str, channel: str, ts: str) -> None:
        """Show a file that was handed over in the thread of a message.

        Raises:
            NotDelivered: refused, or no answer; then it may be shown.
        """
        files: list[dict[str, str | None]] = [{"id": file_id, "title": title}]
        complete = partial(
            self._client.files_completeUploadExternal,
            files=files,
            channel_id=channel,
            thread_ts=ts,
        )
        self._call(complete)

    def is_shown(self, file_id: str, *, channel: str, ts: str) -> bool:
        """Whether a file is in the thread.

        Raises:
            NotDelivered: no answer.
        """
        cursor = ""
        for _ in range(5):
            look = partial(
                self._client.conversations_replies,
                channel=channel,
                ts=ts,
                limit=200,
                cursor=cursor,
            )
            answer = self._call(look)
            for each in answer.get("messages") or []:
                if file_id in [one.get("id") for one in each.get("files") or []]:
                    return True
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return False

    def _call(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except SlackApiError as error:
            found = judged_answer(error)
        except (SlackClientError, urllib.error.URLError, OSError) as error:
            found = judged_silence(error)
        raise NotDelivered(replace(found, error=self._hidden(found.error)))


def is_final(stopped: NotDelivered) -> bool:
    """Whether another try makes no sense."""
    return stopped.delivery.outcome is DeliveryOutcome.FAILED
