"""What all notifiers over HTTP share: a client, and that an attempt ends in a value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from alerts.notifiers.http import NotDelivered, ReceiverHttp
from alerts.notifiers.protocol import Guarantee
from alerts.types import Delivery, Message


class HttpNotifier(ABC):
    """Args:
    name: as in the settings.
    http: the client of the receiver's kind.
    """

    guarantee: Guarantee

    def __init__(self, name: str, http: ReceiverHttp) -> None:
        self.name = name
        self._http = http

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def close(self) -> None:
        self._http.close()

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        try:
            return self._deliver(message, thread, unclear)
        except NotDelivered as stopped:
            return stopped.delivery

    @abstractmethod
    def _deliver(self, message: Message, thread: Mapping[str, str], unclear: bool) -> Delivery:
        """One attempt.

        Raises:
            NotDelivered: it did not arrive, or may not have.
        """
