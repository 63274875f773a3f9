"""When a call was, as the tap is told."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

from monitor.proxy.call_clock import CallClock
from vigil.clock import ManualClock
from vigil.types import utc


def test_a_call_is_dated_when_it_passed_and_other_threads_have_their_own_time():
    real = ManualClock(utc(1000.0))
    clock = CallClock(real)
    elsewhere = []
    with clock.at(900.5):
        assert clock.now() == utc(900.5)
        thread = Thread(target=lambda: elsewhere.append(clock.now()))
        thread.start()
        thread.join()
    assert elsewhere == [utc(1000.0)]
    real.advance(5.0)
    assert clock.now() - utc(1000.0) == timedelta(seconds=5)
