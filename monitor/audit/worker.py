"""The scheduled audit in a process of its own, at low priority, so that no tick waits for it."""

from __future__ import annotations

from monitor.audit import kept
from monitor.audit.run import audit
from monitor.audit.words import document
from monitor.child import Child, settings_given
from monitor.settings.schema import Settings
from monitor.settings.secrets import read_secret
from monitor.store.database import Sessions, open_engine
from vigil.clock import Clock, SystemClock
from vigil.errors import VigilError


class Worker(Child):
    """One audit that runs elsewhere. Its outcome is in the database when it has ended."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, __name__)

    @property
    def trouble(self) -> str:
        """Its last words where it died of an error of its own; else nothing."""
        if not self.returned:
            return ""
        return f"the audit's process failed: {self.last_words[:300] or self.returned}"


def run(settings: Settings, sessions: Sessions, clock: Clock) -> None:
    """Audit, and keep what came of it: a report, or why there is none."""
    try:
        found = document(audit(sessions, settings, now=clock.now()))
    except VigilError as error:
        with sessions.begin() as session:
            kept.failed(session, str(error), at=clock.now())
        return
    with sessions.begin() as session:
        kept.succeeded(session, found, at=clock.now())


def main() -> None:
    """What the process does: settings as JSON from standard input."""
    settings = settings_given()
    ref = settings.service.database_password
    password = read_secret(ref, key="service.database_password").reveal() if ref else None
    engine = open_engine(settings.service.database, password=password)
    try:
        run(settings, Sessions(engine), SystemClock())
    finally:
        engine.dispose()
