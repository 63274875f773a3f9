"""Presses of buttons in Slack.

Only the signature lets a request in. Slack wants an answer within three seconds, so all that
happens before it is one short transaction; the message is then updated by the outbox. What only
the presser should read goes to the ``response_url`` that came along, afterwards.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, BackgroundTasks, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from alerts.notifiers.fit import clip, plain
from alerts.notifiers.http import NotDelivered, ReceiverHttp
from alerts.notifiers.secrecy import Hidden
from alerts.notifiers.slack_buttons import Press, Verb, read_press
from alerts.notifiers.slack_signature import is_from_slack
from monitor.response.clicks import Clicked, press
from monitor.response.once import first_time
from monitor.settings.receivers import SlackReceiver
from monitor.settings.secrets import read_secret
from monitor.store import audit
from monitor.web.access import Permission, Scope
from monitor.web.auth import services_of
from monitor.web.errors import come_again
from monitor.web.inbound.again import with_patience

router = APIRouter(prefix="/v1/inbound", tags=["inbound"])
log = logging.getLogger("vigil.inbound")

ANSWER_TIMEOUT_S = 5.0
_NEEDS = {
    Verb.ACKNOWLEDGE: Permission.OPERATE,
    Verb.SILENCE: Permission.OPERATE,
    Verb.RESOLVE: Permission.OPERATE,
    Verb.APPROVE: Permission.APPROVE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Presser:
    """Who pressed, where, and where an answer goes."""

    user: str
    name: str
    response_url: str

    @property
    def actor(self) -> str:
        return f"slack:{self.user} ({self.name})" if self.name else f"slack:{self.user}"


@router.post("/slack/{receiver}", responses={401: {}, 503: {}})
async def pressed(request: Request, receiver: str, background: BackgroundTasks) -> Response:
    """A press of a button, as Slack's interactivity sends it. Needs Slack's signature."""
    body = await request.body()
    return await run_in_threadpool(_take, request, receiver, body, background)


def _take(request: Request, name: str, body: bytes, background: BackgroundTasks) -> Response:
    services = services_of(request)
    receiver = services.settings.receivers.get(name)
    signature = request.headers.get("x-slack-signature")
    if not isinstance(receiver, SlackReceiver) or not _genuine(request, name, receiver, body):
        raise HTTPException(401, "not signed by Slack for this receiver")
    for presser, button in _presses(body):
        once = partial(_press, request, name, receiver, presser, button, str(signature))
        found = with_patience(once)
        if found is None:
            return come_again("too many changes at once")
        if found.text:
            background.add_task(answer, presser.response_url, found.text, api=receiver.url)
    return Response(status_code=200)


def _genuine(request: Request, name: str, receiver: SlackReceiver, body: bytes) -> bool:
    if receiver.signing_secret is None:
        return False
    secret = read_secret(receiver.signing_secret, key=f"receivers.{name}.signing_secret")
    return is_from_slack(
        body,
        secret=secret.reveal(),
        timestamp=request.headers.get("x-slack-request-timestamp"),
        signature=request.headers.get("x-slack-signature"),
        now_s=services_of(request).clock.now().timestamp(),
    )


def _presses(body: bytes) -> list[tuple[Presser, Press]]:
    """The buttons of ours that were pressed; empty for anything else that Slack may send."""
    try:
        payload = json.loads(parse_qs(body.decode("utf-8"))["payload"][0])
        if payload["type"] != "block_actions":
            return []
        user = payload["user"]
        presser = Presser(
            user=clip(plain(str(user["id"])), 60),
            name=clip(plain(str(user.get("name") or user.get("username") or "")), 100),
            response_url=str(payload.get("response_url") or ""),
        )
        found = [_button(action) for action in payload["actions"]]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return []
    return [(presser, button) for button in found if button is not None]


def _button(action: dict[str, Any]) -> Press | None:
    return read_press(str(action.get("action_id", "")), str(action.get("value", "")))


def _press(
    request: Request,
    name: str,
    receiver: SlackReceiver,
    presser: Presser,
    button: Press,
    signature: str,
) -> Clicked:
    services = services_of(request)
    at = services.clock.now()
    why = _not_allowed(name, receiver, presser, button.verb)
    with services.sessions.begin() as session:
        event = f"{signature} {button.verb.value} {button.incident_id}"
        if not first_time(session, provider="slack", receiver=name, event_id=event, at=at):
            return Clicked(changed=False)
        if why:
            audit.record(
                session,
                what="slack press refused",
                subject=f"incident {button.incident_id}",
                actor=presser.actor,
                at=at,
                wanted=button.verb.value,
                why=why,
            )
            return Clicked(changed=False, text=f"Nothing was changed: {why}")
        return press(
            session,
            button,
            actor=presser.actor,
            at=at,
            announcer=request.app.state.announcer,
        )


def _not_allowed(name: str, receiver: SlackReceiver, presser: Presser, verb: Verb) -> str:
    """Why this person may not do this; empty where they may."""
    scope = receiver.people.get(presser.user)
    if scope is None:
        return (
            f"vigil does not know you. An administrator can add {presser.user} to "
            f"receivers.{name}.people."
        )
    needed = _NEEDS[verb]
    if needed not in Scope(scope).permissions:
        return f"you are a {scope}, and to {verb.value} takes the right to {needed.value}."
    return ""


def answer(url: str, text: str, *, api: str) -> None:
    """Tell the presser alone. Best effort: what was done is done, or refused, without it.

    Args:
        url: from a signed request; used only where it leads to Slack.
        api: the address of Slack's API in the settings.
    """
    if not _leads_to_slack(url, api):
        log.warning("an answer to a press in Slack was not sent: its address is not Slack's")
        return
    http = ReceiverHttp("slack", hidden=Hidden(url), timeout_s=ANSWER_TIMEOUT_S)
    try:
        http.send(
            "POST",
            url,
            {"response_type": "ephemeral", "replace_original": False, "text": text},
        )
    except NotDelivered as error:
        log.warning("an answer to a press in Slack did not arrive: %s", error)
    finally:
        http.close()


def _leads_to_slack(url: str, api: str) -> bool:
    try:
        there, home = urlsplit(url), urlsplit(api)
        same = (there.scheme, there.hostname, there.port) == (home.scheme, home.hostname, home.port)
    except ValueError:
        return False
    return same or (there.scheme == "https" and there.hostname == "hooks.slack.com")
