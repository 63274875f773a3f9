"""One incident's report in a process of its own, at low priority, so that no tick waits for it."""

from __future__ import annotations

import sys

from monitor.child import Child, settings_given
from monitor.reports.incident import report
from monitor.reports.kept import put_page
from monitor.services import open_services
from monitor.settings.schema import Settings
from vigil.errors import VigilError

_SAID = "size "


class Process(Child):
    """Draws the report of one incident and keeps its page beside the samples."""

    def __init__(self, settings: Settings, number: int) -> None:
        super().__init__(settings, __name__, str(number))

    @property
    def result(self) -> tuple[int, str]:
        """The size of the page, or 0 and why there is none. Only once it has ended."""
        last = self.last_words
        if self.returned == 0 and last.startswith(_SAID):
            return int(last.removeprefix(_SAID)), ""
        return 0, last[:300] or f"the report's process ended with {self.returned}"


def main(incident: str) -> None:
    """What the process does: the incident's number, and settings as JSON from standard input."""
    number, services = int(incident), open_services(settings_given())
    try:
        size = put_page(services.samples, number, report(services, number).html)
    except VigilError as error:
        sys.stdout.write(f"{error}\n")
        raise SystemExit(1) from None
    finally:
        services.close()
    sys.stdout.write(f"{_SAID}{size}\n")
