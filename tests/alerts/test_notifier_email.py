"""Mail through a real SMTP server: with certificates, logins, greylists, refusals and silence."""

from __future__ import annotations

import email
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from stub_receivers import MARK

from alerts.notifiers.email import EmailNotifier
from alerts.types import DeliveryOutcome, MessageEvent

# The server warns of what is tried here on purpose: a login in the clear.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")

USER = "vigil"
TO = ("a@example.org", "b@example.org")


@dataclass
class Mailbox:
    """What arrived, and to whom. ``refuses``: address -> the server's answer to it."""

    refuses: dict[str, str] = field(default_factory=dict)
    content_answer: str = "250 OK"
    arrived: list[tuple[tuple[str, ...], EmailMessage]] = field(default_factory=list)

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        if self.content_answer.startswith("250"):
            mail = email.message_from_bytes(envelope.content, policy=default)
            self.arrived.append((tuple(envelope.rcpt_tos), mail))  # type: ignore[arg-type]
        return self.content_answer


def authenticated(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (
        USER.encode(),
        MARK.encode(),
    )
    return AuthResult(success=good, handled=False)


@contextmanager
def serving(
    mailbox: Mailbox, certificate: Path, *, security: str = "none", auth: bool = False
) -> Iterator[int]:
    """The port of a server that speaks TLS as ``security`` says."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "c", certificate / "k")
    options: dict[str, Any] = {"authenticator": authenticated, "auth_required": auth}
    options["auth_require_tls"] = security == "starttls"
    if security == "starttls":
        options["tls_context"] = tls
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    context = tls if security == "tls" else None
    server = Controller(mailbox, "127.0.0.1", port, ssl_context=context, **options)
    server.start()
    try:
        yield port
    finally:
        server.stop()


def notifier(port: int, certificate: Path | None = None, **values: Any) -> EmailNotifier:
    trusted = ssl.create_default_context()
    if certificate is not None:
        trusted.load_verify_locations(certificate / "c")
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "vigil@example.org",
        "to": TO,
        "timeout_s": 5.0,
        "tls": trusted,
    }
    return EmailNotifier("mail", **{**settings, **values})


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@pytest.mark.parametrize("password", [MARK, ""])
def test_an_incident_arrives_as_one_conversation(make_message, certificate, security, password):
    """In the clear, after STARTTLS, and over TLS; with a login and without one."""
    mailbox = Mailbox()
    login = {"user": USER, "password": password} if password else {}
    with serving(mailbox, certificate, security=security, auth=bool(password)) as port:
        mailer = notifier(port, certificate, security=security, **login)
        thread: dict[str, str] = {}
        for event in tuple(MessageEvent)[:4]:
            message = make_message(event, note="News." if event == "update" else "")
            delivery = mailer.deliver(message, thread=thread)
            assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.error
            thread = dict(delivery.receipt)
    assert [to for to, _ in mailbox.arrived] == [TO] * 4
    first, *others = [mail for _, mail in mailbox.arrived]
    assert first["Subject"] == "[CRITICAL] meter-reader v2 is worse than v1"
    assert {mail["References"] for mail in others} == {first["Message-ID"]}
    assert {mail["Subject"] for mail in others} == {f"Re: {first['Subject']}"}
    text = first.get_body(("plain",)).get_content()
    order = ["What is wrong", "Where", "Since", "How sure", "What vigil did", "What you should do"]
    places = [text.index(f"\n{label}:") for label in order]
    assert places == sorted(places)
    assert first.get_content_type() == "multipart/alternative"


def test_an_update_without_news_is_not_mailed(make_message, certificate):
    mailbox = Mailbox()
    with serving(mailbox, certificate) as port:
        quiet = make_message(MessageEvent.UPDATE, note="")
        assert notifier(port).deliver(quiet, thread={"subject": "x"}).receipt["subject"] == "x"
    assert mailbox.arrived == []


def test_a_certificate_that_nobody_trusts_gets_no_password(make_message, certificate):
    for security in ("starttls", "tls"):
        mailbox = Mailbox()
        with serving(mailbox, certificate, security=security) as port:
            mailer = notifier(port, security=security, user=USER, password=MARK)
            delivery = mailer.deliver(make_message(), thread={})
        assert delivery.outcome is DeliveryOutcome.RETRY
        assert "certificate" in delivery.error
        assert mailbox.arrived == []


def test_a_server_without_starttls_gets_nothing_in_the_clear(make_message, certificate):
    mailbox = Mailbox()
    with serving(mailbox, certificate) as port:
        mailer = notifier(port, security="starttls", user=USER, password=MARK)
        delivery = mailer.deliver(make_message(), thread={})
    assert (delivery.outcome, "STARTTLS" in delivery.error) == (DeliveryOutcome.FAILED, True)
    assert mailbox.arrived == []


def test_a_wrong_password_is_final_and_not_shown(make_message, certificate):
    with serving(Mailbox(), certificate, security="starttls", auth=True) as port:
        mailer = notifier(port, certificate, security="starttls", user=USER, password=f"x{MARK}")
        delivery = mailer.deliver(make_message(), thread={})
    assert (delivery.outcome, delivery.error[:11]) == (DeliveryOutcome.FAILED, "email: logi")
    assert MARK not in delivery.error + repr(mailer)


def test_a_greylist_delays_only_whom_it_is_for(make_message, certificate):
    """The other has it at once, and once."""
    mailbox = Mailbox(refuses={TO[1]: "451 4.7.1 try again later"})
    with serving(mailbox, certificate) as port:
        mailer = notifier(port)
        first = mailer.deliver(make_message(), thread={})
        assert (first.outcome, "451" in first.error) == (DeliveryOutcome.RETRY, True)
        assert mailer.deliver(make_message(), thread={}).outcome is DeliveryOutcome.RETRY
        mailbox.refuses.clear()
        last = mailer.deliver(make_message(), thread={})
        assert last.outcome is DeliveryOutcome.DELIVERED
    assert [to for to, _ in mailbox.arrived] == [(TO[0],), (TO[1],)]
    assert len({mail["Message-ID"] for _, mail in mailbox.arrived}) == 1


def test_an_address_that_is_gone_is_told_and_holds_up_nobody(make_message, certificate):
    mailbox = Mailbox(refuses={TO[1]: "550 5.1.1 no such user"})
    with serving(mailbox, certificate) as port:
        delivery = notifier(port).deliver(make_message(), thread={})
        assert delivery.outcome is DeliveryOutcome.DELIVERED
        assert delivery.receipt["refused"] == f"{TO[1]}: 550"
        mailbox.refuses[TO[0]] = "550 5.1.1 no such user"
        gone = notifier(port).deliver(make_message(), thread={})
    assert (gone.outcome, "550" in gone.error) == (DeliveryOutcome.FAILED, True)
    assert [to for to, _ in mailbox.arrived] == [(TO[0],)]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("451 later", DeliveryOutcome.RETRY), ("554 spam", DeliveryOutcome.FAILED)],
)
def test_a_mail_that_is_turned_down_is_judged_by_its_code(
    make_message, certificate, answer, outcome
):
    with serving(Mailbox(content_answer=answer), certificate) as port:
        delivery = notifier(port).deliver(make_message(), thread={})
    assert delivery.outcome is outcome


@contextmanager
def scripted(*answers: bytes) -> Iterator[int]:
    """A server that says these in turn, one for each line or mail, and then nothing, or hangs up
    where the last is empty."""
    import threading

    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            for answer in answers:
                if not answer:
                    return
                connection.sendall(answer)
                connection.recv(100_000)
            ended.wait(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(listening.getsockname()[1])
    ended.set()
    thread.join(5)
    listening.close()


OPENING = (b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n")


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ((b"421 busy\r\n",), DeliveryOutcome.RETRY),
        ((b"554 go away\r\n",), DeliveryOutcome.FAILED),
        ((b"",), DeliveryOutcome.RETRY),
        ((b"220 hi\r\n",), DeliveryOutcome.RETRY),
        ((*OPENING[:2], b""), DeliveryOutcome.RETRY),
        ((*OPENING, b"354 go on\r\n"), DeliveryOutcome.UNCLEAR),
        ((*OPENING, b"354 go on\r\n", b""), DeliveryOutcome.UNCLEAR),
    ],
    ids=["busy", "no service", "hangs up", "hangs", "leaves", "hangs at the end", "leaves then"],
)
def test_only_a_mail_on_its_way_is_unclear(make_message, answers, outcome):
    """Before its content is sent nothing has arrived; after, who knows."""
    with scripted(*answers) as port:
        delivery = notifier(port, timeout_s=0.5).deliver(make_message(), thread={})
    assert delivery.outcome is outcome, delivery.error


def test_a_server_that_is_away_is_tried_again(make_message):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        delivery = notifier(free.getsockname()[1]).deliver(make_message(), thread={})
    assert delivery.outcome is DeliveryOutcome.RETRY


def test_a_server_that_repeats_the_password_does_not_make_it_known(make_message, caplog):
    import base64

    said = base64.b64encode(f"\0{USER}\0{MARK}".encode())
    answers = (b"220 hi\r\n", b"250-hi\r\n250 AUTH PLAIN\r\n", b"535 no " + said + b"\r\n")
    caplog.set_level("DEBUG")
    with scripted(*answers) as port:
        mailer = notifier(port, user=USER, password=MARK, timeout_s=1.0)
        delivery = mailer.deliver(make_message(), thread={})
    shown = delivery.error + repr(delivery) + repr(mailer) + caplog.text
    assert "535" in shown
    assert said.decode()[:20] not in shown
    assert MARK not in shown
