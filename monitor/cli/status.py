"""``vigil status``."""

from __future__ import annotations

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, JsonOption, services_at
from monitor.cli.output import record


def status(config: ConfigOption = DEFAULT_CONFIG, json_wanted: JsonOption = False) -> None:
    """Say how vigil itself is: last tick, windows waiting, messages waiting, switches."""
    from monitor.cli.queries import health

    with services_at(config) as services, services.sessions() as session:
        record(health(session, now=services.clock.now()), json_wanted=json_wanted)
