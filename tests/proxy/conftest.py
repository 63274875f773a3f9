"""Tunnels in a thread of their own, and a service that keeps the windows it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from oip_server import OipServer
from proxy_room import Loop, Sink, Watched

from monitor.proxy.tunnel import Upstream


@pytest.fixture(scope="session")
def event_loop_thread() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def watched(event_loop_thread: Loop) -> Iterator[Callable[..., Watched]]:
    """Makes a tunnel to a port of this machine."""
    made: list[Watched] = []

    def make(
        upstream: int | str | Upstream,
        *,
        http2: bool = False,
        most_body: int = 2**20,
        most_held: int = 2**22,
    ) -> Watched:
        behind = int(upstream.rpartition(":")[2]) if isinstance(upstream, str) else upstream
        made.append(Watched(event_loop_thread, behind, http2, most_body, most_held))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def server() -> OipServer:
    return OipServer()


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()
