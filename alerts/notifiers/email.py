"""Mail through an SMTP server.

A server may refuse some of the addresses for now (greylisting): those are tried again, the others
are not mailed twice as long as this process lives. After a crash, and where the answer to the mail
itself is lost, a repeat goes out under the same ``Message-ID``.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal

from alerts.notifiers import parts
from alerts.notifiers.http import TIMEOUT_S
from alerts.notifiers.mail import mail_of, subject_of
from alerts.notifiers.protocol import Guarantee, delivered
from alerts.notifiers.secrecy import Hidden
from alerts.types import Delivery, DeliveryOutcome, Message

Protection = Literal["starttls", "tls", "none"]
_REMEMBERED = 1000


class EmailNotifier:
    """Args:
    name: as in the settings.
    host, port: of the server.
    security: ``starttls``, ``tls`` from the first byte, or ``none``.
    user, password: of the account; none where the server asks for none. Never shown.
    sender: whom mail comes from.
    to: whom it goes to.
    timeout_s: for connecting, and for each silence.
    tls: what certificates are trusted; the system's where None.
    """

    guarantee = Guarantee.MAY_REPEAT

    def __init__(
        self,
        name: str,
        *,
        host: str,
        port: int,
        security: Protection,
        sender: str,
        to: tuple[str, ...],
        user: str = "",
        password: str = "",
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self._host, self._port, self._security = host, port, security
        self._user, self._password = user, password
        self._sender, self._to = sender, to
        self._timeout_s, self._tls = timeout_s, tls
        self._hidden = Hidden(password, f"\0{user}\0{password}")
        self._taken: OrderedDict[str, frozenset[str]] = OrderedDict()

    def __repr__(self) -> str:
        return f"EmailNotifier({self.name!r})"

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        del unclear
        subject = thread.get("subject", "")
        if parts.is_silent(message):
            return delivered(message, **self._receipt(message, subject), sent="nothing: no news")
        mail = mail_of(message, sender=self._sender, to=self._to, subject=subject)
        step = _Step()
        try:
            refused = self._send(mail, message.id, step)
        except smtplib.SMTPResponseException as error:
            said = f"{error.smtp_code} {_text(error.smtp_error)}"
            lasting = 500 <= error.smtp_code < 600
            outcome = DeliveryOutcome.FAILED if lasting else DeliveryOutcome.RETRY
            return self._stopped(outcome, f"{step.name}: {said}")
        except smtplib.SMTPServerDisconnected as error:
            return self._unanswered(step, error)
        except smtplib.SMTPException as error:  # it can't do what the settings ask for
            return self._stopped(DeliveryOutcome.FAILED, f"{step.name}: {error}")
        except (OSError, ValueError) as error:
            return self._unanswered(step, error)
        later = {who: said for who, said in refused.items() if said[0] < 500}
        if later:
            told = "; ".join(f"{who}: {code} {_text(said)}" for who, (code, said) in later.items())
            return self._stopped(DeliveryOutcome.RETRY, f"not taken yet for {told}")
        receipt = self._receipt(message, subject)
        if refused:
            told = "; ".join(f"{who}: {code}" for who, (code, _) in refused.items())
            receipt["refused"] = self._hidden(told)
        return delivered(message, **receipt, sent=message.event.value)

    @staticmethod
    def _receipt(message: Message, subject: str) -> dict[str, str]:
        return {"subject": subject or subject_of(message)}

    def _stopped(self, outcome: DeliveryOutcome, text: str) -> Delivery:
        return Delivery(outcome=outcome, error=f"email: {self._hidden(text)}")

    def _unanswered(self, step: _Step, error: Exception) -> Delivery:
        outcome = DeliveryOutcome.UNCLEAR if step.is_sending else DeliveryOutcome.RETRY
        return self._stopped(outcome, f"{step.name}: no answer ({_why(error)})")

    def _send(self, mail: EmailMessage, id: str, step: _Step) -> dict[str, tuple[int, bytes]]:
        """Mail to everyone who does not have it yet. Returns who was refused, and how.

        Raises:
            smtplib.SMTPResponseException: all were, or the server wants none of it.
            smtplib.SMTPException, OSError, ValueError: the server can't be talked to.
        """
        taken = self._taken.get(id, frozenset())
        server = self._connected(step)
        try:
            step.name = "sender"
            _checked(server.mail(self._sender))
            step.name = "recipients"
            replies = {who: server.rcpt(who) for who in self._to if who not in taken}
            refused = {who: reply for who, reply in replies.items() if reply[0] not in (250, 251)}
            if len(refused) == len(replies):
                if not taken and all(code >= 500 for code, _ in refused.values()):
                    _checked(next(iter(refused.values())))
                return refused
            step.name, step.is_sending = "content", True
            _checked(server.data(mail.as_bytes(policy=SMTP)))
            step.is_sending = False
            self._remember(id, taken | (replies.keys() - refused.keys()))
            return refused
        finally:
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()

    def _connected(self, step: _Step) -> smtplib.SMTP:
        tls = self._tls or ssl.create_default_context()
        here = socket.gethostname()
        server: smtplib.SMTP
        step.name = "connection"
        if self._security == "tls":
            server = smtplib.SMTP_SSL(
                self._host, self._port, here, timeout=self._timeout_s, context=tls
            )
        else:
            server = smtplib.SMTP(self._host, self._port, here, timeout=self._timeout_s)
        try:
            if self._security == "starttls":
                step.name = "STARTTLS"
                server.starttls(context=tls)
            if self._user:
                step.name = "login"
                server.login(self._user, self._password)
            else:
                step.name = "greeting"
                server.ehlo_or_helo_if_needed()
        except BaseException:
            server.close()
            raise
        return server

    def _remember(self, id: str, taken: frozenset[str]) -> None:
        self._taken[id] = taken
        while len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)


class _Step:
    """How far an attempt came. ``is_sending``: the mail itself is on its way."""

    def __init__(self) -> None:
        self.name, self.is_sending = "connection", False


def _checked(reply: tuple[int, bytes]) -> None:
    """Raises:
    smtplib.SMTPResponseException: the server said no.
    """
    code, said = reply
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, said)


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not valid"
    return type(error).__name__
