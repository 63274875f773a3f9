"""Requests made to do harm get an answer that says so; none is the service's own error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import stored
from web_client import TestClient

from monitor.services import Services
from monitor.web.app import create_app
from monitor.web.auth import create_token
from monitor.web.hosts import host_of
from vigil.windows import wire
from vigil.windows.baseline import Baseline

HOME = "http://127.0.0.1:8080"
HUGE = 10**26


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with services.sessions.begin() as session:
        token = create_token(session, name="root", scope="admin", actor="test", at=stored.NOON)
    app = create_app(services)
    with TestClient(
        app,
        base_url=HOME,
        client=("127.0.0.1", 5000),
        headers={"Authorization": f"Bearer {token}"},
        raise_server_exceptions=False,
    ) as opened:
        yield opened


@pytest.mark.parametrize(
    "path",
    [
        *(
            path.format(row)
            for row in (2**63, HUGE, -1)
            for path in (
                "/v1/incidents/{}",
                "/v1/actions?incident_id={}",
                "/incidents/{}",
                "/relabel/{}.png",
                "/runbooks/unknown?incident={}",
            )
        ),
        "/v1/windows?since=0001-01-01T00:00:00%2B14:00",
        "/v1/windows?until=9999-12-31T23:59:59-14:00",
        "/models/a%00b/production",
        "/v1/rulers/a%00b/v1",
    ],
)
def test_what_no_database_can_be_asked_for_is_not_found(client: TestClient, path: str) -> None:
    """A row beyond 64 bits, a time outside the calendar, a name with NUL."""
    assert client.get(path).status_code in {404, 422}


@pytest.mark.parametrize("path", ["windows", "baselines", "incidents", "releases"])
def test_a_query_with_nul_finds_nothing_or_is_refused(client: TestClient, path: str) -> None:
    """PostgreSQL can't be asked for NUL, SQLite finds nothing."""
    answer = client.get(f"/v1/{path}?model=a%00b")
    assert answer.status_code == 422 or answer.json() == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"labels":[{"id":NaN,"label":1}]}',
        b'{"labels":[{"id":"a","label":Infinity}]}',
        b'{"labels":[{"id":"a","label":1,"\\ud800":NaN}]}',
        b'{"labels":' + b"[" * 100_000,
        b"\xff",
    ],
)
def test_json_that_no_answer_could_repeat_is_refused(client: TestClient, body: bytes) -> None:
    """The answer says where it is wrong without repeating it."""
    answer = client.post("/v1/labels", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}


def test_an_answer_does_not_repeat_what_was_sent(client: TestClient) -> None:
    """A secret in the wrong field does not come back, and so into no log of a client."""
    answer = client.post("/v1/releases", json={"model": "m", "version": 5, "token": "hunter2"})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert {tuple(one["loc"]) for one in answer.json()["detail"]} == {
        ("body", "version"),
        ("body", "token"),
    }


@pytest.mark.parametrize(
    "changes",
    [{"format": None}, {"format": "x"}, {"model": 5}, {"created_s": 1e300}, {"outcomes": 3}],
)
def test_a_broken_baseline_is_a_bad_request(client: TestClient, changes: dict[str, object]) -> None:
    """Bytes with a right checksum around a header that makes no sense."""
    header, arrays = wire.unpack(stored.baseline().to_bytes())
    kept = {k: v for k, v in {**header, **changes}.items() if v is not None}
    assert client.post("/v1/baselines", content=wire.pack(kept, arrays)).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "a\0b"},
        {"dataset": "x" * 20_000},
        {"author": "a" * 201},
        {"reason": "\0"},
    ],
)
def test_a_baseline_whose_texts_can_not_be_kept_is_refused(
    client: TestClient, changes: dict[str, str]
) -> None:
    """On either database alike, before anything is stored."""
    made = stored.baseline()
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    hostile = Baseline(**{**fields, **changes, "sha256": ""})
    answer = client.post("/v1/baselines", content=hostile.to_bytes())
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"baseline.{next(iter(changes))}: expected at most")
    assert client.get("/v1/baselines").json() == []


@pytest.mark.parametrize(
    "header",
    ["[::1].evil.com", "localhost:8080@evil.com", "[", "localhost:8080:1", "127.0.0.1 x", ""],
)
def test_a_host_header_that_is_no_host_names_nobody(header: str) -> None:
    """What follows the name must be a port."""
    assert host_of(header) == ""


def test_a_label_that_is_no_text_is_rejected_alone(client: TestClient) -> None:
    """Half of a surrogate pair in one id does not cost the other labels of the request."""
    rows = (
        b'{"id":"\\ud800","label":1},'
        b'{"id":"b","label":1,"prediction":1,"model":"digits","version":"v1"}'
    )
    answer = client.post(
        "/v1/labels",
        content=b'{"labels":[' + rows + b"]}",
        headers={"Content-Type": "application/json"},
    )
    assert [one["status"] for one in answer.json()["receipts"]] == ["rejected", "accepted"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/switches/actions_stopped", '{"stopped":true,"reason":"%s"}'),
        ("/v1/incidents/1/resolve", '{"note":"%s"}'),
        ("/v1/incidents/1/disposition", '{"disposition":"expected","note":"%s"}'),
        ("/v1/actions/1/approve", '{"plan_hash":"%s"}'),
        ("/v1/releases", '{"model":"m","version":"%s"}'),
        ("/v1/releases", '{"model":"m","version":"v","note":"%s"}'),
    ],
)
@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
def test_a_text_that_can_not_be_kept_is_refused(
    client: TestClient, path: str, body: str, text: str
) -> None:
    """On either database alike, and before anything changes."""
    answer = client.post(
        path, content=(body % text).encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert client.get("/v1/releases").json() == []


def test_answers_are_kept_by_no_cache(client: TestClient) -> None:
    """What a token may read must not stay where somebody else finds it."""
    assert client.get("/v1/status").headers["Cache-Control"] == "no-store"
    assert client.get("/static/console.css").headers["Cache-Control"].startswith("public")


def test_a_sender_that_goes_away_is_no_error_of_ours(services: Services) -> None:
    """A broken upload leaves no traceback in the log, and stores nothing."""
    with services.sessions.begin() as session:
        token = create_token(session, name="tap", scope="ingest", actor="test", at=stored.NOON)
    app = create_app(services)
    messages = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/windows",
        "raw_path": b"/v1/windows",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8080),
        "scheme": "http",
        "http_version": "1.1",
    }
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 400
