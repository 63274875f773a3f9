"""Near-duplicates: a camera that stares at one scene must not fill the queue with it."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from vigil.windows.sample import Sample

Floats = NDArray[np.float64]


def without_duplicates(
    sample: Sample,
    points: Floats,
    score: Floats,
    *,
    closer_than: float,
    earlier: Floats,
    earlier_ids: Set[str] = frozenset(),
) -> NDArray[np.int64]:
    """Rows to choose among, best score first: of near-duplicates only the best.

    Near are embeddings closer than ``closer_than`` to one another or to ``earlier`` ones (k, d),
    which were picked before, equal thumbnails, and equal ids.
    """
    usable = earlier.shape[1] == points.shape[1] if earlier.ndim == 2 else False
    before = earlier[np.isfinite(earlier).all(axis=1)] if usable else points[:0]
    near = np.concatenate([before, np.zeros_like(points)])
    lengths = (near**2).sum(axis=1)
    own = (points**2).sum(axis=1)
    filled = len(before)
    kept: list[int] = []
    ids: set[str] = set(earlier_ids)
    pictures: set[bytes] = set()
    for row in np.argsort(-score, kind="stable"):
        picture = sample.thumbnails[row].tobytes() if sample.has_thumbnails else b""
        if sample.ids[row] in ids or (picture and picture in pictures):
            continue
        if points.shape[1] and np.isfinite(points[row]).all():
            gaps = lengths[:filled] + own[row] - 2 * (near[:filled] @ points[row])
            if gaps.min(initial=np.inf) < closer_than**2:
                continue
            near[filled], lengths[filled] = points[row], own[row]
            filled += 1
        kept.append(int(row))
        ids.add(sample.ids[row])
        pictures.add(picture)
    return np.array(kept, np.int64)
