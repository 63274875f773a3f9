"""A tap whose windows stay in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vigil.shipping.transport import MemoryTransport
from vigil.tap import Tap
from vigil.windows.window import Window


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def tap(transport: MemoryTransport) -> Iterator[Tap]:
    made = Tap("reader", "v1", transport=transport, sample_size=64)
    yield made
    made.close()


@pytest.fixture
def records(transport: MemoryTransport) -> Callable[[Tap], list[dict[str, Any]]]:
    """The sampled records of a tap, after a flush."""

    def read(tap: Tap) -> list[dict[str, Any]]:
        assert tap.flush(20)
        found = []
        for blob in transport.windows.values():
            sample = Window.from_bytes(blob).sample
            for row, name in enumerate(sample.ids):
                signals = dict(zip(sample.signal_names, sample.signals[row].tolist(), strict=True))
                found.append(
                    {
                        "id": name,
                        "version": sample.versions[row],
                        "metadata": sample.metadata[row],
                        "trace_id": sample.trace_ids[row],
                        "prediction": int(sample.prediction[row]),
                        "embedding": sample.embedding[row].tolist(),
                        "signals": signals,
                    }
                )
        return found

    return read
