"""What a window is measured with: bin edges and the random projection of one baseline.

Each version of a model has its own ruler, so that scores of two versions compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigil.errors import FormatVersionError, ShapeError, WireError
from vigil.quality.schema import Schema
from vigil.types import ModelRef
from vigil.windows import wire
from vigil.windows.summary import MOMENT_CLIP, MOMENT_UNIT, Layout

FORMAT_VERSION = 1
DISTANCE_SIGNAL = "embedding_distance"

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Projection:
    """Random Fourier features of an embedding x in R^d.

    ``z(x) = sqrt(2/D) [cos(W x), sin(W x)]`` with ``W`` of shape (D/2, d) drawn from
    N(0, 1/l^2), l the baseline's median distance; |z| = 1. ``mean`` (d,) and ``whitening``
    (k, d) give the distance of an embedding to the baseline, ``|whitening (x - mean)| / sqrt(k)``.

    Source: Rahimi and Recht, Random Features for Large-Scale Kernel Machines, 2007.
    """

    weights: NDArray[np.float32]
    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]

    @property
    def dimension(self) -> int:
        return int(self.weights.shape[1])

    @property
    def features(self) -> int:
        return 2 * int(self.weights.shape[0])

    def transform(self, embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Embeddings (n, d), finite, as features (n, D)."""
        angle = np.asarray(embeddings, np.float32) @ self.weights.T
        scale = np.float32(np.sqrt(2.0 / self.features))
        return np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * scale

    def distance(self, embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Whitened distance of embeddings (n, d) to the baseline's mean; about 1 for itself."""
        centred = np.asarray(embeddings, np.float32) - self.mean
        leading = centred @ self.whitening.T
        distance = np.sqrt((leading * leading).sum(axis=1) / np.float32(max(1, leading.shape[1])))
        return np.asarray(distance, np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ruler:
    """Bin edges (S, B - 1), the fixed-point scale of the moments (S,), and the projection.

    ``edges`` are the baseline's quantiles, non-decreasing; bin b holds values v with
    ``edges[b-1] <= v < edges[b]``. A ruler without a baseline (``is_generic``) has evenly spaced
    edges: its windows are kept and shown, but not judged. ``others``: of further embeddings by
    name, without features: only their distance is watched. ``schema``: what records look like;
    None where the baseline was built before there were any. It is no part of the id: rulers that
    measure alike are one.
    """

    model: ModelRef
    layout: Layout
    edges: Floats
    center: Floats
    scale: Floats
    projection: Projection | None
    is_generic: bool = False
    others: Mapping[str, Projection] = field(default_factory=dict)
    schema: Schema | None = None
    id: str = ""

    def __post_init__(self) -> None:
        s, b = len(self.layout.signals), self.layout.bins
        if self.edges.shape != (s, b - 1):
            raise ShapeError("ruler.edges", expected=str((s, b - 1)), found=str(self.edges.shape))
        for name, array in (("center", self.center), ("scale", self.scale)):
            if array.shape != (s,):
                raise ShapeError(f"ruler.{name}", expected=str((s,)), found=str(array.shape))
        if not self.id:
            object.__setattr__(self, "id", wire.digest(*_parts(self))[:32])

    def digitise(
        self, values: ArrayLike, signals: Sequence[int] | None = None
    ) -> NDArray[np.int64]:
        """Bin of each value, (n, S) to (n, S); missing values (not finite) get bin B.

        ``signals``: places in the layout of the columns; all in order where None.
        """
        table = np.asarray(values, np.float64)
        bins = np.empty(table.shape, np.int64)
        edges = self.edges if signals is None else self.edges[list(signals)]
        for column in range(table.shape[1]):
            bins[:, column] = np.searchsorted(edges[column], table[:, column], side="right")
        bins[~np.isfinite(table)] = self.layout.bins
        return bins

    def standardise(
        self, values: ArrayLike, signals: Sequence[int] | None = None
    ) -> NDArray[np.int64]:
        """Values (n, S) less the baseline's mean, in baseline standard deviations, fixed point."""
        chosen = slice(None) if signals is None else list(signals)
        table = (np.asarray(values, np.float64) - self.center[chosen]) / self.scale[chosen]
        clipped = np.clip(np.nan_to_num(table, nan=0.0), -MOMENT_CLIP, MOMENT_CLIP)
        clipped[~np.isfinite(table)] = 0.0
        return np.rint(clipped * MOMENT_UNIT).astype(np.int64)

    def to_bytes(self) -> bytes:
        header, arrays = _parts(self)
        if self.schema is not None:
            header["schema"] = self.schema.to_json()
        return wire.pack(header, arrays)

    @classmethod
    def from_bytes(cls, blob: bytes) -> Ruler:
        """Raises:
        WireError: not a ruler, or of a newer format.
        """
        header, arrays = wire.unpack(blob)
        if header.get("what") != "ruler":
            raise WireError(f"expected a ruler, found {header.get('what')!r}")
        try:
            if header["format"] > FORMAT_VERSION:
                raise FormatVersionError("ruler", found=header["format"], supported=FORMAT_VERSION)
            projection = None
            if "weights" in arrays:
                projection = Projection(
                    weights=arrays["weights"], mean=arrays["mean"], whitening=arrays["whitening"]
                )
            others = {
                name: Projection(
                    weights=arrays[f"other.{i}.weights"],
                    mean=arrays[f"other.{i}.mean"],
                    whitening=arrays[f"other.{i}.whitening"],
                )
                for i, name in enumerate(header.get("others", ()))
            }
            return cls(
                model=ModelRef(**header["model"]),
                layout=Layout.from_json(header["layout"]),
                edges=arrays["edges"],
                center=arrays["center"],
                scale=arrays["scale"],
                projection=projection,
                is_generic=bool(header["generic"]),
                others=others,
                schema=Schema.from_json(header.get("schema")),
            )
        except (*wire.UNREADABLE, ShapeError) as error:
            raise WireError(f"not a ruler: {error!r}") from None


def _parts(ruler: Ruler) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    arrays: dict[str, NDArray[Any]] = {
        "edges": ruler.edges,
        "center": ruler.center,
        "scale": ruler.scale,
    }
    if ruler.projection is not None:
        arrays |= {
            "weights": ruler.projection.weights,
            "mean": ruler.projection.mean,
            "whitening": ruler.projection.whitening,
        }
    header: dict[str, Any] = {
        "what": "ruler",
        "format": FORMAT_VERSION,
        "model": {
            "name": ruler.model.name,
            "version": ruler.model.version,
            "deployment": ruler.model.deployment,
        },
        "layout": ruler.layout.as_json(),
        "generic": ruler.is_generic,
    }
    for i, other in enumerate(ruler.others.values()):
        arrays |= {
            f"other.{i}.weights": other.weights,
            f"other.{i}.mean": other.mean,
            f"other.{i}.whitening": other.whitening,
        }
    if ruler.others:
        header["others"] = list(ruler.others)
    return header, arrays
