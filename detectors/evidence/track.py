"""What every track of arms does beside its step: its threshold, and its bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.arms import Arms, Floats
from detectors.evidence.shiryaev import shares
from detectors.streams import StreamKey


class Track(ABC):
    """Evidence of many streams, in the rows of ``Arms``.

    Attributes:
        what: the name of the track in its bytes.
        kept: the parameters that its bytes hold beside the arms; each is an attribute too.
    """

    what: ClassVar[str]
    kept: ClassVar[tuple[str, ...]]
    _arms: Arms

    @abstractmethod
    def __init__(self, threshold: float, **parameters: Any) -> None:
        """Made from its threshold and at least what is ``kept``, by name."""

    @property
    def threshold(self) -> float:
        """A, in steps of the track."""
        return self._arms.threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        self._arms.threshold = value

    @property
    def last_step(self) -> int | None:
        return self._arms.last_step

    def reset(self, streams: Iterable[StreamKey]) -> None:
        """After a crossing: evidence starts from nothing; what else was learned stays."""
        self._arms.reset(streams)

    def to_bytes(self) -> bytes:
        return self._arms.to_bytes({name: getattr(self, name) for name in self.kept})

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """Raises:
        WireError: damaged, of another track, or of a newer format.
        """
        header, arrays = Arms.header_of(cls.what, blob)
        track = cls(header["threshold"], **{name: header[name] for name in cls.kept})
        track._arms.restore(header, arrays)
        return track


def shares_of(streams: Sequence[StreamKey], judged: NDArray[np.bool_]) -> Floats:
    """Omega of the streams (N,) that are judged in a step, in order."""
    kept = [one for one, used in zip(streams, judged.tolist(), strict=True) if used]
    return shares(kept) if kept else np.zeros(0)
