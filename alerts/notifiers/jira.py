"""Jira: one issue an incident. Updates are comments, a resolve moves it to its last status.

Jira has no idempotency key, so an attempt without an answer is *unclear*: before an issue is made
again the project is searched for our label, before a comment is, the issue's comments for our id.
Jira's search lags behind by seconds, so within a minute what it does not find may still be there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from alerts.notifiers import parts
from alerts.notifiers.http import TIMEOUT_S, NotDelivered, ReceiverHttp
from alerts.notifiers.http_notifier import HttpNotifier
from alerts.notifiers.jira_documents import comment, issue, label_of
from alerts.notifiers.protocol import Guarantee, delivered
from alerts.notifiers.secrecy import Hidden, basic
from alerts.types import Delivery, DeliveryOutcome, Message, MessageEvent
from vigil.clock import Clock, SystemClock

SEARCH_LAG_S = 60.0
LOOK_AGAIN_S = 15.0
_ENDED = "done"  # Jira's category of all statuses in which nothing is left to do


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """An issue that is there; ``holds``: it was made by this very message."""

    key: str
    holds: bool = False


class JiraNotifier(HttpNotifier):
    """Args:
    name: as in the settings.
    url: of the site.
    user, token: an account's address and API token; never shown.
    project: its key.
    issue_type: of the issues.
    done: the status that a resolved incident's issue is moved to.
    timeout_s: for connecting, and for each silence.
    """

    guarantee = Guarantee.RECONCILED

    def __init__(
        self,
        name: str,
        *,
        url: str,
        user: str,
        token: str,
        project: str,
        issue_type: str = "Task",
        done: str = "Done",
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        login = basic(user, token)
        super().__init__(
            name,
            ReceiverHttp(
                "jira",
                hidden=Hidden(token, login),
                headers={"Authorization": f"Basic {login}"},
                timeout_s=timeout_s,
            ),
        )
        self._api = f"{url.rstrip('/')}/rest/api/3"
        self._project, self._type, self._done = project, issue_type, done
        self._clock = clock or SystemClock()

    def _deliver(self, message: Message, thread: Mapping[str, str], unclear: bool) -> Delivery:
        found = self._known(message, thread, unclear)
        if found is None:
            key, sent = self._create(message), "a new issue"
        elif found.holds or self._comment(found.key, message, unclear=unclear):
            key, sent = found.key, "nothing: it is there" if found.holds else "a comment"
        else:
            found, key, sent = None, self._create(message), "a new issue: the other is gone"
        moved = self._move(key, message, is_new=found is None or found.holds)
        return delivered(message, issue=key, sent=sent, moved=moved)

    def _known(self, message: Message, thread: Mapping[str, str], unclear: bool) -> _Known | None:
        """The incident's issue, from the receipt or, where there is none, from a search."""
        if message.event is not MessageEvent.TEST and thread.get("issue"):
            return _Known(key=thread["issue"])
        if unclear or message.event not in (MessageEvent.TRIGGER, MessageEvent.TEST):
            return self._found(message, unclear)
        return None

    def _create(self, message: Message) -> str:
        made = issue(message, project=self._project, issue_type=self._type)
        answer = self._http.send("POST", f"{self._api}/issue", made, good=(201,))
        return self._text(answer.object(), "key")

    def _found(self, message: Message, unclear: bool) -> _Known | None:
        """The issue that an earlier attempt made after all.

        Raises:
            NotDelivered: none is found, and it is too early to be sure.
        """
        wanted = {
            "jql": f'labels = "{label_of(message)}" ORDER BY created DESC',
            "fields": ["description"],
            "maxResults": 1,
        }
        answer = self._http.send("POST", f"{self._api}/search/jql", wanted, good=(200,))
        issues = answer.object().get("issues")
        if isinstance(issues, list) and issues and isinstance(issues[0], dict):
            holds = parts.mark(message) in json.dumps(issues[0], ensure_ascii=False)
            return _Known(key=self._text(issues[0], "key"), holds=holds)
        if not isinstance(issues, list):
            raise self._http.stopped(DeliveryOutcome.UNCLEAR, "its search gave no list of issues")
        if unclear and self._clock.now() - message.sent_at < timedelta(seconds=SEARCH_LAG_S):
            told = "no answer before, and its search may not show the issue yet"
            early = self._http.stopped(DeliveryOutcome.UNCLEAR, told).delivery
            raise NotDelivered(replace(early, retry_after_s=LOOK_AGAIN_S))
        return None

    def _comment(self, key: str, message: Message, *, unclear: bool) -> bool:
        """False where the issue is gone."""
        if parts.is_silent(message):
            return True
        path = f"{self._of(key)}/comment"
        if unclear:
            newest = {"orderBy": "-created", "maxResults": "100"}
            answer = self._http.send("GET", path, params=newest, accept=(404,))
            if parts.mark(message) in answer.text:
                return True
        return self._http.send("POST", path, comment(message), accept=(404,)).status != 404

    def _move(self, key: str, message: Message, *, is_new: bool) -> str:
        """To the last status at a resolve, out of it where an incident is back."""
        over = message.event in (MessageEvent.RESOLVE, MessageEvent.TEST)
        back = message.event is MessageEvent.TRIGGER and not is_new
        if not over and not back:
            return ""
        answer = self._http.send("GET", self._of(key), params={"fields": "status"})
        status = _inner(_inner(answer.object(), "fields"), "status")
        ended = _category(status) == _ENDED or _named(status, self._done)
        if ended == over:
            return ""
        answer = self._http.send("GET", f"{self._of(key)}/transitions")
        offered = answer.object().get("transitions")
        for each in offered if isinstance(offered, list) else []:
            to = _inner(each, "to")
            if _named(to, self._done) if over else _category(to) != _ENDED:
                chosen = {"transition": {"id": str(each.get("id"))}}
                self._http.send("POST", f"{self._of(key)}/transitions", chosen)
                return f"to {str(to.get('name'))[:100]}"
        return f"no: nothing leads {'to ' + self._done if over else 'out of it'} from where it is"

    def _of(self, key: str) -> str:
        return f"{self._api}/issue/{quote(key, safe='')}"

    def _text(self, plain: Mapping[str, Any], name: str) -> str:
        found = plain.get(name)
        if not isinstance(found, str) or not found:
            raise self._http.stopped(DeliveryOutcome.UNCLEAR, f"an answer without {name}")
        return found


def _inner(plain: Any, name: str) -> dict[str, Any]:
    found = plain.get(name) if isinstance(plain, dict) else None
    return found if isinstance(found, dict) else {}


def _category(status: Mapping[str, Any]) -> str:
    return str(_inner(status, "statusCategory").get("key", ""))


def _named(status: Mapping[str, Any], name: str) -> bool:
    return str(status.get("name", "")).casefold() == name.casefold()
