"""What the rules of retraining look at."""

from __future__ import annotations

from datetime import timedelta

from label_rows import NOON

from monitor.retraining.rules import facts_of
from monitor.services import Services
from monitor.store import releases


def test_beside_a_canary_the_rules_look_at_what_serves(services: Services) -> None:
    """A candidate with a tenth of the traffic is no reason to train what serves anew."""
    watched = services.settings.models[0]
    said = {"model": "reader", "deployment": "production", "actor": "ann"}
    with services.sessions.begin() as session:
        releases.announce(session, version="v1", at=NOON - timedelta(hours=2), **said)
        releases.announce(session, version="v2", at=NOON - timedelta(hours=1), share=0.1, **said)
    with services.sessions() as session:
        facts = facts_of(session, watched, NOON)
    assert facts.version == "v1"
    assert facts.served_since == NOON - timedelta(hours=2)
