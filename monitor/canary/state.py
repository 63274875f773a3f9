"""What a running canary remembers between two looks: its bets, and how far it has read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.canary import CanaryOutputs, CanaryTest
from vigil.errors import WireError
from vigil.windows import wire

BINS = 128
"""Of outputs: 32 classes with 4 levels of confidence each."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, slots=True)
class CanaryRules:
    """What counts as a unit.

    ``separator``: the part of a record's id before it names the unit (a session); empty: each
    record is one. ``least_inclusion``: where labelled records were drawn with known, different
    probabilities, they are thinned to this one; 0: labels are a plain random sample.
    """

    separator: str = ""
    least_inclusion: float = 0.0


@dataclass(kw_only=True, slots=True)
class CanaryState:
    """``windows``: the last window whose outputs were counted. ``seen``: hashes of the units that
    were, sorted, where units hold several records. ``left_out``: labels that were not counted."""

    rules: CanaryRules
    test: CanaryTest
    outputs: CanaryOutputs
    windows: int = 0
    outputs_differ: bool = False
    left_out: int = 0
    counted: list[int] = field(default_factory=lambda: [0, 0])
    seen: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))

    @classmethod
    def new(cls, *, share: float, margin: float, alpha: float, rules: CanaryRules) -> CanaryState:
        return cls(
            rules=rules,
            test=CanaryTest(share=share, margin=margin, alpha=alpha),
            outputs=CanaryOutputs(share=share, bins=BINS, alpha=alpha),
        )

    def to_bytes(self) -> bytes:
        header = {
            "what": "canary_state",
            "separator": self.rules.separator,
            "least_inclusion": self.rules.least_inclusion,
            "windows": self.windows,
            "outputs_differ": self.outputs_differ,
            "left_out": self.left_out,
            "counted": self.counted,
        }
        own = wire.pack(header, {"seen": self.seen})
        return wire.join([own, self.test.to_bytes(), self.outputs.to_bytes()])

    @classmethod
    def from_bytes(cls, blob: bytes) -> CanaryState:
        """Raises:
        WireError: damaged, or not a canary's state.
        """
        own, test, outputs = wire.split(blob)
        header, arrays = wire.unpack(own)
        if header.get("what") != "canary_state":
            raise WireError(f"expected canary_state, found {header.get('what')!r}")
        return cls(
            rules=CanaryRules(
                separator=str(header["separator"]),
                least_inclusion=float(header["least_inclusion"]),
            ),
            test=CanaryTest.from_bytes(test),
            outputs=CanaryOutputs.from_bytes(outputs),
            windows=int(header["windows"]),
            outputs_differ=bool(header["outputs_differ"]),
            left_out=int(header["left_out"]),
            counted=[int(n) for n in header["counted"]],
            seen=arrays["seen"].copy(),
        )
