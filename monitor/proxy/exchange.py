"""One call as it passed: a request, and the answer to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from monitor.proxy.body import Body


class Kind(StrEnum):
    """What a request asks for, as far as it is recorded."""

    V2 = "v2"
    """An inference of the Open Inference Protocol over HTTP."""
    V1 = "v1"
    """An inference of KServe's V1 protocol: ``instances`` in, ``predictions`` out."""
    GRPC = "grpc"
    """An inference of the Open Inference Protocol over gRPC."""
    EVENT = "event"
    """A CloudEvent of a payload logger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """A request and its answer, complete.

    * ``request_headers``, ``response_headers``: names in lower case.
    * ``time_s``: when the request was there, seconds since 1970. ``latency_s``: from then to the
      answer's last byte.
    """

    kind: Kind
    path: str
    request_headers: Mapping[str, str]
    response_headers: Mapping[str, str]
    request: Body
    response: Body
    time_s: float
    latency_s: float

    def hold(self) -> bool:
        """Take room for all that it holds beside the bodies; whether there is any."""
        texts = [self.path]
        for headers in (self.request_headers, self.response_headers):
            texts += [*headers, *headers.values()]
        return self.request.hold(_OVERHEAD + 2 * sum(map(len, texts)))

    def release(self) -> None:
        self.request.release()
        self.response.release()


_OVERHEAD = 2048


@dataclass(frozen=True, kw_only=True, slots=True)
class Watching:
    """What a connection's readers share: clocks, bodies' bounds, counts, and where calls go.

    ``counts``: ``calls`` are inferences that passed, ``passed`` everything else; ``refused`` calls
    that the server blamed on the client, ``failed`` those that it failed itself; further names say
    why a call was not recorded.
    """

    counts: Counter[str]
    new_body: Callable[[bool], Body]
    deliver: Callable[[Exchange], None]
    now_s: Callable[[], float]
    time_s: Callable[[], float]

    def settle(self, exchange: Exchange, error: Literal["", "refused", "failed"]) -> None:
        """A call is complete: hand it on, or count why not."""
        self.counts["calls"] += 1
        lost = exchange.request.lost or exchange.response.lost
        if error:
            self.counts[error] += 1
            exchange.release()
        elif lost:
            self.counts[lost] += 1
            exchange.release()
        else:
            self.hand_on(exchange)

    def hand_on(self, exchange: Exchange) -> bool:
        """Towards the recording process, if there is room; whether there is."""
        if exchange.hold():
            self.deliver(exchange)
            return True
        self.counts["overload"] += 1
        exchange.release()
        return False
