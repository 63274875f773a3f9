"""The labels of one step, lined up with the streams that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.streams import StreamKey
from vigil.errors import ShapeError

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelBatch:
    """n labels; one that belongs to several streams (a slice and the whole) is there for each.

    * ``stream`` (n,): position of its stream. ``confidence`` (n,) in [0, 1].
    * ``loss`` (n,) in [0, 1]: 1 where the prediction was wrong.
    * ``share`` (n,) in (0, 1]: with which probability the prediction got a label.
    """

    stream: NDArray[np.int64]
    confidence: Floats
    loss: Floats
    share: Floats

    def __post_init__(self) -> None:
        for name in ("confidence", "loss", "share"):
            found = getattr(self, name).shape
            if found != self.stream.shape or len(found) != 1:
                raise ShapeError(
                    f"labels.{name}", expected=str(self.stream.shape), found=str(found)
                )

    def check(self, streams: int, least_share: float) -> None:
        """Raises:
        ValueError: a loss or share out of range, or a stream that is not there.
        """
        if len(self.stream) == 0:
            return
        if not (self.stream.min() >= 0 and self.stream.max() < streams):
            raise ValueError(f"labels.stream: expected positions below {streams}")
        if not ((self.loss >= 0) & (self.loss <= 1)).all():
            raise ValueError("labels.loss: expected values in [0, 1]")
        if not np.isfinite(self.confidence).all():
            raise ValueError("labels.confidence: expected finite values")
        low = float(self.share.min())
        if not (low >= least_share * (1 - 1e-12) and self.share.max() <= 1):
            raise ValueError(f"labels.share: expected values from {least_share} to 1, found {low}")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelResult:
    """``evidence`` (N,) in steps with labels; ``exceeded`` (N,); ``labels`` (N,) of the step."""

    streams: tuple[StreamKey, ...]
    evidence: Floats
    exceeded: NDArray[np.bool_]
    labels: NDArray[np.int64]
