"""A ruler on a device: bins, fixed-point moments, random Fourier features and distances there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vigil.catalogue import is_per_box
from vigil.device.lane import Lane
from vigil.device.tensors import Tensor, product, torch
from vigil.windows.ruler import Ruler
from vigil.windows.summary import FEATURE_UNIT, MOMENT_CLIP, MOMENT_UNIT


class DeviceRuler:
    """``vigil.windows.ruler.Ruler`` with its tables copied to the lane's device, once; made inside
    the lane's ``work``.

    ``per_record``: which signals of the layout records have, (S,); the others are of boxes, of
    which a device sees none, so that nothing is counted there.
    """

    def __init__(self, ruler: Ruler, lane: Lane) -> None:
        self.ruler, self._lane = ruler, lane
        signals = ruler.layout.signals
        self.per_record = np.array([not is_per_box(name) for name in signals], bool)
        self._columns: dict[tuple[str, ...], Tensor] = {}
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

    def lacking(self, names: Sequence[str]) -> list[str]:
        """The signals of records that the ruler counts beyond ``names``."""
        wanted = zip(self.ruler.layout.signals, self.per_record, strict=True)
        return [name for name, counts in wanted if counts and name not in names]

    def columns(self, table: Tensor, names: tuple[str, ...]) -> Tensor:
        """The columns (n, S) that the ruler counts of a table (n, names); any in place of a
        signal of boxes. Inside ``work``."""
        index = self._columns.get(names)
        if index is None:
            places = [
                names.index(name) if name in names else 0 for name in self.ruler.layout.signals
            ]
            index = self._columns[names] = self._lane.constant(np.array(places, np.int64))
        return table.index_select(1, index)

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
