"""A ruler on a device: bins, fixed-point moments, random Fourier features and distances there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vigil.catalogue import SCALAR_NAMES
from vigil.device.lane import Lane
from vigil.device.tensors import Tensor, product, torch
from vigil.errors import ShapeError
from vigil.ruler import DISTANCE_SIGNAL, Ruler
from vigil.summary import FEATURE_UNIT, MOMENT_CLIP, MOMENT_UNIT


class DeviceRuler:
    """``vigil.ruler.Ruler`` with its tables copied to the lane's device, once; made inside the
    lane's ``work``.

    Args:
        ruler: the ruler.
        lane: the device.
        names: the signals that records have, in the order of their columns.

    Raises:
        ShapeError: the ruler counts a signal that records do not have.
    """

    def __init__(self, ruler: Ruler, lane: Lane, names: Sequence[str] = SCALAR_NAMES) -> None:
        self.ruler = ruler
        self.distance_column = names.index(DISTANCE_SIGNAL)
        try:
            columns = [names.index(name) for name in ruler.layout.signals]
        except ValueError as error:
            raise ShapeError(
                "ruler.layout", expected=f"signals among {names}", found=str(error)
            ) from None
        self._columns = lane.constant(np.array(columns, np.int64))
        self._edges = lane.constant(np.ascontiguousarray(ruler.edges))
        self._center, self._scale = lane.constant(ruler.center), lane.constant(ruler.scale)
        self._weights = self._mean = self._whitening = None
        if ruler.projection is not None:
            self._weights = lane.constant(ruler.projection.weights.T)
            self._mean = lane.constant(ruler.projection.mean)
            self._whitening = lane.constant(ruler.projection.whitening.T)

    @property
    def dimension(self) -> int | None:
        """The embedding's dimensions that features and distance are for; None without any."""
        return None if self.ruler.projection is None else self.ruler.projection.dimension

    def columns(self, table: Tensor) -> Tensor:
        """The columns (n, S) that the ruler counts of a table (n, all signals)."""
        return table.index_select(1, self._columns)

    def digitise(self, values: Tensor) -> Tensor:
        """As ``Ruler.digitise``: float64 (n, S) to int64 (n, S); not finite is bin B."""
        xp = torch()
        bins = xp.searchsorted(self._edges, values.T.contiguous(), right=True).T
        return xp.where(values.isfinite(), bins, self.ruler.layout.bins)

    def standardise(self, values: Tensor) -> Tensor:
        """As ``Ruler.standardise``: float64 (n, S) to int64 (n, S)."""
        table = (values - self._center) / self._scale
        clipped = torch().where(table.isfinite(), table.clamp(-MOMENT_CLIP, MOMENT_CLIP), 0.0)
        return (clipped * MOMENT_UNIT).round().to(torch().int64)

    def features(self, embeddings: Tensor) -> Tensor:
        """Random Fourier features of finite float32 (n, d), fixed point: int64 (n, D)."""
        angle = product(embeddings, self._weights)
        waves = torch().cat([angle.cos(), angle.sin()], dim=1) * (1.0 / angle.shape[1]) ** 0.5
        return (waves * FEATURE_UNIT).round().to(torch().int64)

    def distance(self, embeddings: Tensor) -> Tensor:
        """As ``Projection.distance``: float32 (n, d) to (n,)."""
        leading = product(embeddings - self._mean, self._whitening)
        return ((leading * leading).sum(dim=1) / max(1, leading.shape[1])).sqrt()
