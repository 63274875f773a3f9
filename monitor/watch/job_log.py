"""When each job of this process last ended well, and what its last error was."""

from __future__ import annotations

from datetime import datetime
from threading import Lock

from monitor.watch.trouble import JobFacts


class JobLog:
    """Written by the scheduler's threads, read by the watch."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobFacts] = {}
        self._lock = Lock()

    def expect(self, name: str, *, every_s: float, at: datetime) -> None:
        """A job is scheduled: from now on it should run."""
        with self._lock:
            self._jobs[name] = JobFacts(every_s=every_s, last_ok=at)

    def ended(self, name: str, *, at: datetime, error: str = "") -> None:
        """It ran; ``error`` where it failed."""
        with self._lock:
            known = self._jobs.get(name)
            if known is not None:
                last = known.last_ok if error else at
                self._jobs[name] = JobFacts(every_s=known.every_s, last_ok=last, error=error)

    def facts(self) -> dict[str, JobFacts]:
        with self._lock:
            return dict(self._jobs)
