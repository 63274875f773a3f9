"""A tap with more signals of its own than the head of a ring has room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from vigil import Tap
from vigil.shipping.transport import MemoryTransport
from vigil.types import Harm, Signal, SignalForm, SignalKind
from vigil.windows.window import Window


def many(number: int) -> list[Signal]:
    return [
        Signal(
            name=f"fog_{i}",
            kind=SignalKind.IMAGE,
            form=SignalForm.SCALAR,
            unit="share",
            low=0.0,
            high=1.0,
            harm=Harm.HIGHER,
            tolerance=0.1,
            description="d" * 60,
        )
        for i in range(number)
    ]


def test_without_a_sidecar_any_number_of_signals_will_do() -> None:
    """Nobody else reads the ring: it does not have to say whose it is."""
    transport = MemoryTransport()
    tap = Tap("reader", "v1", signals=many(100), transport=transport)
    assert tap.record(outputs=[[0.2, 0.8]]) is not None
    assert tap.flush()
    tap.close()
    sent = [Window.from_bytes(blob) for blob in transport.windows.values()]
    assert sum(one.summary.total_records for one in sent) == 1


def test_beside_a_sidecar_too_many_are_refused_at_the_start(tmp_path: Path) -> None:
    """With how many bytes there is room for; no half-made ring is left behind."""
    with pytest.raises(ValueError, match=r"come to \d+ bytes.*declare fewer signals"):
        Tap("reader", "v1", signals=many(100), sidecar=tmp_path)
    assert list(tmp_path.iterdir()) == []
    tap = Tap("reader", "v1", signals=many(40), sidecar=tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".ring"]
    tap.close()
