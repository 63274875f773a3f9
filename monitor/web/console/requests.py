"""What a request says: who asks, what a form holds, where to go next; and what surrounds a page."""

from __future__ import annotations

import math
from typing import Annotated
from urllib.parse import parse_qsl, quote

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from dashboards.console.readmodels import Chrome
from monitor.web import auth
from monitor.web.access import MAX_ROW, Actor, Permission
from monitor.web.console import queries_fleet, queries_incidents

FORM_LIMIT_BYTES = 64 * 1024
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NOTICES = {
    "acknowledged": ("good", "Acknowledged: the receivers are told that you have it."),
    "resolved": ("good", "Resolved."),
    "saved": ("good", "Saved. Thank you: it feeds vigil's account of its own alarms."),
    "accepted": ("good", "Accepted: its streams learn this as their new normal."),
    "approved": ("good", "Approved. The guard decides once more, then vigil acts."),
    "silenced": ("good", "Created. It holds from its start until its end, and is listed here."),
    "silence-ended": ("good", "Ended. What it held back and is still open pages."),
    "canary-ended": ("good", "Ended, undecided."),
    "canary-started": ("good", "Started. It counts labels from the candidate's first window on."),
    "control-asked": ("good", "Asked for. The guard decides, and it may wait for an approval."),
    "control-withdrawn": ("good", "Withdrawn."),
    "silence-extended": ("good", "It ends later."),
    "followup-added": ("good", "Added: it is followed until it is done or dropped."),
    "followup-closed": ("good", "Closed."),
    "labels-withdrawn": ("good", "Withdrawn: they leave their queue with the next round."),
    "signed-in": ("good", "Signed in."),
    "resent": ("good", "It waits again, and goes with the next round."),
    "dropped": ("good", "Dropped."),
    "saved-change": ("good", "Saved."),
}


def html(text: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(text, status_code=status, headers=SECURITY_HEADERS)


def see(path: str) -> RedirectResponse:
    """Go there next (303), as after a form."""
    return RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})


def incident_number(text: str) -> int | None:
    """``7``, ``#7`` or nothing, as people write it into a form.

    Raises:
        HTTPException: 400, anything else.
    """
    text = text.strip().removeprefix("#")
    if not text:
        return None
    short = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ROW))
    if not (short and 0 < int(text) <= MAX_ROW):
        raise HTTPException(400, f"incident: expected a number, found {text[:20]!r}")
    return int(text)


def share_of(text: str, what: str, *, otherwise: float | None = None) -> float:
    """``0.1`` or ``10 %``, as people write it into a form; nothing is ``otherwise``.

    Raises:
        HTTPException: 400, anything else.
    """
    text = text.strip()
    if not text and otherwise is not None:
        return otherwise
    try:
        whole, is_percent = text.removesuffix("%").strip(), text.endswith("%")
        found = float(whole) / (100.0 if is_percent else 1.0)
    except ValueError:
        found = math.nan
    if len(text) > 40 or not 0 <= found <= 1:
        raise HTTPException(400, f"{what}: expected a share such as 10 %, found {text[:20]!r}")
    return found


def inner_path(path: str) -> str:
    """A path of this console; anything that would lead elsewhere becomes the front page."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_ours and path.isprintable() else "/"


class SignInNeededError(Exception):
    """A page was asked for by somebody that we do not know."""

    def __init__(self, then: str) -> None:
        super().__init__("sign in first")
        self.then = then


def reader(request: Request) -> Actor:
    """Who reads.

    Raises:
        SignInNeededError: nobody that we know.
        HTTPException: 403 for a token that may not read.
    """
    actor = auth.actor_of(request)
    if actor is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise SignInNeededError(f"{request.url.path}{query}")
    if not actor.may(Permission.READ):
        raise HTTPException(403, f"{actor.name} may not read the console")
    return actor


async def form(request: Request) -> dict[str, str]:
    """The fields of a form; the last of several of one name.

    Raises:
        HTTPException: 413 where it is too long, 400 where it is none.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_LIMIT_BYTES:
            raise HTTPException(413, "this form is too long")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise HTTPException(400, "this is not a form") from None


Reader = Annotated[Actor, Depends(reader)]
Form = Annotated[dict[str, str], Depends(form)]


def writer(request: Request, fields: dict[str, str], permission: Permission) -> Actor:
    """Who sends a form, checked against forgery.

    Raises:
        SignInNeededError: not signed in.
        HTTPException: 403 where the permission or the form's CSRF value is missing.
    """
    actor = auth.actor_of(request)
    if actor is None or actor.via != "session":
        raise SignInNeededError("/")
    auth.check_form(request, fields.get("csrf", ""))
    if not actor.may(permission):
        raise HTTPException(403, f"{actor.name} may not {permission.value}")
    return actor


def chrome_of(
    request: Request, session: Session, actor: Actor | None, page: str, *, refresh: bool = True
) -> Chrome:
    """What surrounds a page for this reader."""
    services = auth.services_of(request)
    now = services.clock.now()
    last = queries_fleet.last_tick(session)
    signed_in = actor is not None and actor.via == "session"
    level, notice = NOTICES.get(request.query_params.get("notice", ""), ("info", ""))
    return Chrome(
        page=page,
        now=now,
        open_incidents=queries_incidents.count_open(session),
        last_tick_at=last,
        tick_late=queries_fleet.tick_is_late(last, services.settings, now),
        actions_stopped=queries_fleet.actions_stopped(session),
        user=actor.name if actor is not None and signed_in else None,
        csrf=auth.csrf_of(request) if signed_in else "",
        can_operate=actor is not None and signed_in and actor.may(Permission.OPERATE),
        can_approve=actor is not None and signed_in and actor.may(Permission.APPROVE),
        refresh_s=refresh_seconds(services.settings.service.window_s) if refresh else 0,
        notice=notice,
        notice_level=level,
    )


def bare_chrome(request: Request) -> Chrome:
    """What surrounds a page for somebody that we do not know: it gives nothing away."""
    return Chrome(page="", now=auth.services_of(request).clock.now())


def refresh_seconds(window_s: float) -> int:
    """As often as there is something new, but no oftener than every five seconds."""
    return int(min(30.0, max(5.0, window_s)))


def login_path(then: str) -> str:
    return f"/login?then={quote(inner_path(then), safe='/')}"
