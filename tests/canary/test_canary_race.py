"""Two people start a canary of one model at once: one of them is told to wait."""

from __future__ import annotations

import threading

from canary_fleet import DEPLOYMENT, MODEL, started

from monitor.canary import manage
from monitor.services import Services
from vigil.errors import ConflictError


def test_of_two_that_start_one_at_once_the_second_is_refused(services: Services) -> None:
    errors: list[Exception] = []

    def second() -> None:
        try:
            started(services, candidate="v3")
        except Exception as error:
            errors.append(error)

    other = threading.Thread(target=second)
    with services.sessions.begin() as session:
        manage.start(
            session,
            services.settings,
            model=MODEL,
            deployment=DEPLOYMENT,
            candidate="v2",
            share=0.5,
            actor="ada",
            at=services.clock.now(),
        )
        other.start()
        other.join(1.0)  # it may come through where nothing holds it
    other.join(30.0)
    assert [type(error) for error in errors] == [ConflictError]
    with services.sessions() as session:
        assert [row.candidate for row in manage.listed(session, MODEL)] == ["v2"]
