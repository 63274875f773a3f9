"""``vigil serve``."""

from __future__ import annotations

from monitor.cli.context import DEFAULT_CONFIG, ConfigOption, settings_at


def serve(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the service: ingest, checks, pages, actions, console and API."""
    settings = settings_at(config)
    from monitor.serve import run

    run(settings, config=config)
