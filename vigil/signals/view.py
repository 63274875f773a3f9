"""What the functions that measure signals see of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.quality.frames import Frames, black_flags
from vigil.signals.following import Followed
from vigil.signals.images import image_signals
from vigil.signals.labels import Labels
from vigil.signals.masks import Areas
from vigil.signals.predictions import Predictions
from vigil.signals.scripts import script_shares
from vigil.values.objects import Objects


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """n records as they were handed in; None is what was not.

    * ``images`` (n, h, w, c) in the type they came in; ``band`` rows of them are neighbours where
      they are strips of larger images (``vigil.signals.strips``), 0 where they are whole.
    * ``predictions``: what a classifier's outputs say; ``labels``: the same of a multi-label one.
    * ``objects``: boxes; ``followed``: what their tracks say. ``areas``: what masks say.
    * ``texts``: n strings; ``characters``: confidence of each of their characters, n arrays.
    * ``embedding`` (n, d), ``others`` by name. ``metadata``: n mappings.
    * ``latency_s``, ``batch_size``, ``time_s`` (n,). ``frames`` knows those before.
      ``given``: the caller's own numbers by name, (n,) each.
    """

    n: int
    metadata: Sequence[Mapping[str, str]] = ()
    images: NDArray[Any] | None = None
    band: int = 0
    predictions: Predictions | None = None
    labels: Labels | None = None
    objects: Objects | None = None
    followed: Followed | None = None
    areas: Areas | None = None
    texts: Sequence[str] | None = None
    characters: Sequence[NDArray[np.float64]] | None = None
    embedding: NDArray[np.float32] | None = None
    others: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    latency_s: NDArray[np.float64] | None = None
    batch_size: NDArray[np.float64] | None = None
    given: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    time_s: NDArray[np.float64] | None = None
    frames: Frames | None = None

    @cached_property
    def image_table(self) -> NDArray[np.float64] | None:
        """Columns of ``IMAGE_SIGNALS``, (n, 6)."""
        return None if self.images is None else image_signals(self.images, self.band)

    @cached_property
    def flags(self) -> NDArray[np.uint32]:
        """Data faults that show in the images alone, (n,)."""
        if self.images is None or self.image_table is None:
            return np.zeros(self.n, np.uint32)
        brightness, contrast = self.image_table[:, 0], self.image_table[:, 1]
        flags = black_flags(brightness, contrast)
        if self.frames is not None and self.time_s is not None:
            flags |= self.frames.flags(self.images, self.metadata, self.time_s)
        return flags

    @cached_property
    def scripts(self) -> NDArray[np.float64]:
        """``script_shares`` of the texts, (n, 7)."""
        return script_shares(self.texts or ())
