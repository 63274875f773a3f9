"""Who gets in: tokens, scopes, sessions, forged forms, foreign host names."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import stored
from fastapi import FastAPI, Request, Response
from sqlalchemy import select
from web_client import TestClient

from monitor.services import Services, open_services
from monitor.settings.schema import Service, Settings
from monitor.settings.secrets import Secret
from monitor.store.samples import MemorySamples
from monitor.store.tables import AuditRow, TokenRow
from monitor.web import auth
from monitor.web.app import create_app
from monitor.web.hosts import host_of, is_allowed
from monitor.web.session import COOKIE, make_cookie, read_cookie
from vigil.clock import ManualClock
from vigil.errors import ConflictError, NotFoundError, VigilError

HOME = "http://127.0.0.1:8080"
SECRET = Secret("s" * 32)


def token(services: Services, scope: str, name: str | None = None) -> str:
    with services.sessions.begin() as session:
        return auth.create_token(
            session, name=name or scope, scope=scope, actor="test", at=stored.NOON
        )


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def client_of(app: FastAPI, peer: str = "127.0.0.1", url: str = HOME) -> TestClient:
    return TestClient(app, base_url=url, client=(peer, 5000))


@pytest.fixture
def client(lone_services: Services) -> TestClient:
    return client_of(create_app(lone_services))


def test_reading_on_loopback_is_open_and_writing_is_not(client: TestClient) -> None:
    """Without a token one may look, not touch."""
    assert client.get("/v1/status").status_code == 200
    answer = client.post("/v1/releases", json={"model": "a", "version": "1"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


WRITES = (
    "/v1/windows",
    "/v1/labels",
    "/v1/releases",
    "/v1/baselines",
    "/v1/incidents/1/acknowledge",
    "/v1/incidents/1/resolve",
    "/v1/incidents/1/disposition",
    "/v1/incidents/1/accept",
    "/v1/incidents/1/followups",
    "/v1/incidents/1/steps",
    "/v1/followups/1/close",
    "/v1/actions/1/approve",
    "/v1/deliveries/1/resend",
    "/v1/deliveries/1/drop",
    "/v1/silences",
    "/v1/silences/1/end",
    "/v1/silences/1/extend",
    "/v1/switches/actions_stopped",
    "/v1/inbound/alertmanager",
    "/v1/canaries",
    "/v1/canaries/1/end",
    "/v1/controls",
    "/v1/controls/1/approve",
    "/v1/controls/1/undo",
    "/v1/controls/1/withdraw",
    "/v1/inbound/label-studio",
    "/v1/labels/withdraw",
    "/v1/retrainings",
    "/v1/retrainings/1/request",
    "/v1/retrainings/1/version",
    "/v1/retrainings/1/withdraw",
    "/v1/retrainings/1/baseline/accept",
)
SIGNED = ("/v1/inbound/slack/{receiver}", "/v1/inbound/pagerduty/{receiver}")
"""By their sender; tests/inbound tries them without, and with a wrong one."""
QUESTIONS = ("/v1/hooks/flagger/{hook}/{model}/{deployment}",)
"""Posted because the asker can't do otherwise; they change nothing, and need what reading needs."""


@pytest.mark.parametrize("path", WRITES)
def test_every_write_needs_a_token(client: TestClient, path: str) -> None:
    """Not one change is open, on loopback either."""
    assert client.post(path, json={}).status_code == 401


def test_every_write_of_the_api_is_in_the_list_above(lone_services: Services) -> None:
    """A new write must be added there: this counts them."""
    paths = create_app(lone_services).openapi()["paths"]
    writes = [
        path for path, ways in paths.items() for way in ways if way != "get" and "/v1" in path
    ]
    named = [re.sub(r"\{\w+\}", "1", path) for path in writes if path not in SIGNED + QUESTIONS]
    assert sorted(named) == sorted(WRITES)


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("ingest", {"ruler", "windows"}),
        ("viewer", {"ruler", "read"}),
        ("operator", {"ruler", "read", "release"}),
        ("approver", {"ruler", "read", "release", "stop"}),
        ("admin", {"ruler", "windows", "read", "release", "stop"}),
    ],
)
def test_scope_allows_what_it_says(
    lone_services: Services, client: TestClient, scope: str, allowed: set[str]
) -> None:
    """Each scope is a set of permissions, and no more."""
    headers = bearer(token(lone_services, scope))
    answers = {
        "ruler": client.get("/v1/rulers/a/1", headers=headers),
        "windows": client.post("/v1/windows", content=b"", headers=headers),
        "read": client.get("/v1/status", headers=headers),
        "release": client.post(
            "/v1/releases", json={"model": "a", "version": "1"}, headers=headers
        ),
        "stop": client.post(
            "/v1/switches/actions_stopped", json={"stopped": True}, headers=headers
        ),
    }
    assert {name for name, one in answers.items() if one.status_code != 403} == allowed


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic abc", "x"])
def test_wrong_token_is_nobody_even_on_loopback(client: TestClient, header: str) -> None:
    """Who shows a token that is not good does not fall back to an open door."""
    assert client.get("/v1/status", headers={"Authorization": header}).status_code == 401


def test_revoked_token_ends_at_once(lone_services: Services, client: TestClient) -> None:
    """Also for the session that was opened with it."""
    headers = bearer(token(lone_services, "viewer"))
    assert client.get("/v1/status", headers=headers).status_code == 200
    with lone_services.sessions.begin() as session:
        auth.revoke_token(session, name="viewer", actor="test", at=stored.NOON)
    assert client.get("/v1/status", headers=headers).status_code == 401


def test_token_is_kept_as_a_hash_only(lone_services: Services) -> None:
    """Nothing in the database gives a token back; making and ending it are in the audit."""
    text = token(lone_services, "viewer")
    with lone_services.sessions.begin() as session:
        auth.revoke_token(session, name="viewer", actor="boss", at=stored.NOON)
    with lone_services.sessions() as session:
        row = session.scalars(select(TokenRow)).one()
        audits = session.scalars(select(AuditRow).order_by(AuditRow.id)).all()
    assert text not in (row.token_hash, row.name)
    assert [(one.what, one.actor) for one in audits] == [
        ("token created", "test"),
        ("token revoked", "boss"),
    ]
    assert text not in str([one.data for one in audits])


def test_tokens_are_made_and_ended_with_clear_errors(lone_services: Services) -> None:
    """An unknown scope, a name taken, a token that is not there."""
    token(lone_services, "viewer")
    with lone_services.sessions.begin() as session:
        with pytest.raises(VigilError, match="expected one of ingest, viewer"):
            auth.create_token(session, name="x", scope="root", actor="t", at=stored.NOON)
        with pytest.raises(ConflictError, match="the name is taken"):
            auth.create_token(session, name="viewer", scope="admin", actor="t", at=stored.NOON)
        with pytest.raises(NotFoundError):
            auth.revoke_token(session, name="nobody", actor="t", at=stored.NOON)


def test_other_machine_needs_a_token_to_read(lone_services: Services) -> None:
    """A peer beyond loopback, or a request that a proxy passed on, is not local."""
    app = create_app(lone_services)
    headers = bearer(token(lone_services, "viewer"))
    assert client_of(app, peer="10.0.0.9").get("/v1/status").status_code == 401
    assert client_of(app, peer="10.0.0.9").get("/v1/status", headers=headers).status_code == 200
    forwarded = {"X-Forwarded-For": "10.0.0.9"}
    assert client_of(app).get("/v1/status", headers=forwarded).status_code == 401


def test_beyond_loopback_reading_needs_a_token(tmp_path: object, clock: ManualClock) -> None:
    """A service that listens to the network trusts nobody, not even loopback peers."""
    services = open_services(
        Settings(
            service=Service(
                listen="0.0.0.0:8080",
                url="https://vigil.example.com",
                database=f"sqlite:///{tmp_path}/open.db",
            )
        ),
        clock=clock,
        samples=MemorySamples(),
    )
    app = create_app(services)
    assert client_of(app).get("/v1/status").status_code == 401
    named = client_of(app, peer="10.0.0.9", url="https://vigil.example.com")
    assert named.get("/v1/status").status_code == 401
    assert named.get("/v1/status", headers=bearer(token(services, "viewer"))).status_code == 200
    assert named.get("/healthz").status_code == 200
    services.close()


def test_foreign_host_name_is_refused(lone_services: Services) -> None:
    """A name of theirs that points at us (DNS rebinding) reads nothing; probes still work."""
    app = create_app(lone_services)
    foreign = client_of(app, url="http://evil.example:8080")
    assert foreign.get("/v1/status").status_code == 421
    assert foreign.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("localhost:8080", True),
        ("[::1]:8080", True),
        ("127.0.0.1", True),
        ("Vigil.Example.com", True),
        ("proxy.example", True),
        ("evil.example", False),
        ("vigil.example.com.evil.example", False),
        ("", False),
    ],
)
def test_host_names(header: str, allowed: bool) -> None:
    """Ours are the one we listen on, that of our URL, the allowed ones, and loopback."""
    service = Service(url="https://vigil.example.com", allowed_hosts=("proxy.example",))
    assert is_allowed(header, service) is allowed


def test_host_without_port() -> None:
    """Names lose the port and case, addresses of version 6 their brackets."""
    assert [host_of(one) for one in ("A:1", "[::1]:2", "b")] == ["a", "::1", "b"]


def login_app(services: Services) -> FastAPI:
    """The application with a login as the console has it."""
    app = create_app(services)

    @app.post("/test-login")
    def login(request: Request, response: Response, token: str) -> dict[str, str]:
        return {"name": auth.log_in(request, response, token).name}

    @app.get("/test-csrf")
    def csrf(request: Request) -> dict[str, str]:
        return {"csrf": auth.csrf_of(request)}

    return app


def test_session_writes_only_with_its_csrf_value(lone_services: Services) -> None:
    """Logged in, a form of our own page may write; a forged one may not."""
    text = token(lone_services, "operator", "ann")
    client = client_of(login_app(lone_services))
    answer = client.post("/test-login", params={"token": text})
    assert answer.json() == {"name": "ann"}
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert text not in cookie
    lone_services.ingest.windows([stored.window(1).to_bytes()])
    body = {"model": "digits", "version": "1"}
    assert client.post("/v1/releases", json=body).status_code == 403
    wrong = {"X-CSRF-Token": "0" * 64}
    assert client.post("/v1/releases", json=body, headers=wrong).status_code == 403
    right = {"X-CSRF-Token": client.get("/test-csrf").json()["csrf"]}
    released = client.post("/v1/releases", json=body, headers=right)
    assert (released.status_code, released.json()["actor"]) == (201, "ann")


def test_login_needs_a_token_that_may_read(lone_services: Services) -> None:
    """An unknown token, or one that only sends windows, does not open the console."""
    client = client_of(login_app(lone_services))
    sender = token(lone_services, "ingest")
    for text in ("wrong", sender):
        answer = client.post("/test-login", params={"token": text})
        assert answer.status_code == 422
        assert "set-cookie" not in answer.headers
        assert text not in answer.text


def test_session_ends_with_its_token_or_its_time(
    lone_services: Services, clock: ManualClock
) -> None:
    """A session outlives neither twelve hours nor the token that opened it."""
    app = login_app(lone_services)
    remote = client_of(app, peer="10.0.0.9")
    remote.post("/test-login", params={"token": token(lone_services, "viewer", "a")})
    assert remote.get("/v1/status").status_code == 200
    clock.advance(12 * 3600)
    assert remote.get("/v1/status").status_code == 401
    remote.post("/test-login", params={"token": token(lone_services, "viewer", "b")})
    assert remote.get("/v1/status").status_code == 200
    with lone_services.sessions.begin() as session:
        auth.revoke_token(session, name="b", actor="test", at=stored.NOON)
    assert remote.get("/v1/status").status_code == 401


@pytest.mark.parametrize("change", ["2", "x", "", ".", "1.9999999999.", "1.99é.0"])
def test_forged_cookie_is_nobody(change: str) -> None:
    """Another number, another expiry, garbage: no token stands behind it."""
    good = make_cookie(1, secret=SECRET, now=stored.NOON)
    assert read_cookie(good, secret=SECRET, now=stored.NOON) == 1
    forged = change + good[len(change) :] if len(change) == 1 else change
    assert read_cookie(forged, secret=SECRET, now=stored.NOON) is None
    assert read_cookie(good, secret=Secret("other"), now=stored.NOON) is None
    late = stored.NOON + timedelta(hours=12)
    assert read_cookie(good, secret=SECRET, now=late) is None


def test_pages_carry_safe_headers(client: TestClient) -> None:
    """Browsers are told not to guess, frame or load from elsewhere."""
    headers = client.get("/healthz").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert COOKIE not in headers.get("set-cookie", "")
