"""One holder at a time, whatever the processes do."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import pytest
import stored

from monitor import leases
from monitor.leases import Lease
from monitor.services import Services
from vigil.errors import ConflictError

NOW = stored.NOON


def acquire(services: Services, holder: str, after_s: float = 0.0) -> Lease | None:
    with services.sessions.begin() as session:
        return leases.acquire(
            session,
            leases.SCHEDULER,
            holder=holder,
            now=NOW + timedelta(seconds=after_s),
            seconds=10,
        )


def check(services: Services, lease: Lease) -> None:
    with services.sessions.begin() as session:
        leases.check(session, lease)


def test_second_waits_until_the_first_runs_out(services: Services) -> None:
    """A killed holder is replaced when its lease ends, in a new term."""
    first = acquire(services, "a")
    assert first is not None
    assert acquire(services, "b", 9.9) is None
    second = acquire(services, "b", 10)
    assert second is not None
    assert (first.term, second.term) == (1, 2)
    assert acquire(services, "a", 11) is None


def test_holder_renews_in_the_same_term(services: Services) -> None:
    """Renewing moves the end on and changes no term."""
    acquire(services, "a")
    renewed = acquire(services, "a", 8)
    assert renewed is not None
    assert (renewed.term, renewed.expires_at) == (1, NOW + timedelta(seconds=18))
    assert acquire(services, "b", 12) is None


def test_work_of_an_old_term_is_refused(services: Services) -> None:
    """A process that slept through its lease can't write any more, not even as itself later."""
    first = acquire(services, "a")
    assert first is not None
    check(services, first)
    second = acquire(services, "b", 10)
    assert second is not None
    with pytest.raises(ConflictError, match="expected a in term 1, found b in term 2"):
        check(services, first)
    third = acquire(services, "a", 30)
    assert third is not None
    assert third.term == 3
    with pytest.raises(ConflictError):
        check(services, first)


def test_lease_given_back_is_free_at_once(services: Services) -> None:
    """A service that stops properly makes nobody wait; a lost lease is not given back."""
    first = acquire(services, "a")
    assert first is not None
    with services.sessions.begin() as session:
        assert leases.holder(session, leases.SCHEDULER, now=NOW) == "a"
        leases.release(session, first, now=NOW)
        assert leases.holder(session, leases.SCHEDULER, now=NOW) is None
    second = acquire(services, "b", 1)
    assert second is not None
    with services.sessions.begin() as session:
        leases.release(session, first, now=NOW + timedelta(seconds=1))
        assert leases.holder(session, leases.SCHEDULER, now=NOW + timedelta(seconds=2)) == "b"


def test_of_many_one_wins(services: Services) -> None:
    """Processes that ask in the same moment do not both get it."""
    won: list[Lease | None] = []
    threads = [
        Thread(target=lambda name=f"p{i}": won.append(acquire(services, name))) for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in won if one is not None]) == 1
    assert len(won) == 6


def test_leases_of_two_jobs_are_apart(services: Services) -> None:
    """Who schedules need not deliver."""
    acquire(services, "a")
    with services.sessions.begin() as session:
        other = leases.acquire(session, leases.DELIVERY, holder="b", now=NOW, seconds=10)
    assert other is not None
