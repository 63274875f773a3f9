"""Where today's inputs lie among the training data's."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from dashboards.console import words
from dashboards.console.plots.svg import Scale, el, figure, group, line, rect, text
from dashboards.console.readmodels import EmbeddingMap

WIDTH, HEIGHT, PAD, FOOT = 560.0, 340.0, 10.0, 20.0


def embedding_map(m: EmbeddingMap) -> Markup:
    """Grey: baseline. Coloured: now; filled where it belongs to the named slice."""
    everything = np.concatenate([m.baseline, m.current]) if len(m.current) else m.baseline
    # A few far points must not squeeze the others into a corner: pin what is outside 99 %.
    low, high = np.percentile(everything, [0.5, 99.5], axis=0)
    margin = np.maximum((high - low) * 0.06, 1e-6)
    low, high = low - margin, high + margin
    x = Scale(float(low[0]), float(high[0]), PAD, WIDTH - PAD)
    y = Scale(float(low[1]), float(high[1]), HEIGHT - FOOT - PAD, PAD)

    def dots(
        points: np.ndarray[tuple[int, int], np.dtype[np.float64]], class_: str, r: float
    ) -> Markup:
        return group(
            [el("circle", cx=x.clip(float(a)), cy=y.clip(float(b)), r=r) for a, b in points],
            class_=class_,
        )

    frame = rect(0.5, 0.5, WIDTH - 1, HEIGHT - FOOT - 1, "frame")
    centre = m.baseline.mean(axis=0)
    cx, cy = x.clip(float(centre[0])), y.clip(float(centre[1]))
    cross = group(
        [line(cx - 5, cy, cx + 5, cy, ""), line(cx, cy - 5, cx, cy + 5, "")], class_="centre"
    )
    foot = text(
        2,
        HEIGHT - 5,
        f"first two principal axes of the baseline: {words.share(m.explained[0])} and "
        f"{words.share(m.explained[1])} of its variance",
        "unit",
    )
    named = int(m.named.sum())
    label = f"{len(m.current)} current embeddings over {len(m.baseline)} of the baseline"
    if named:
        label += f", {named} of them in {m.slice}"
    return figure(
        WIDTH,
        HEIGHT,
        frame,
        dots(m.baseline, "dot-base", 1.9),
        dots(m.current[~m.named], "dot-now", 2.4),
        dots(m.current[m.named], "dot-named", 2.8),
        cross,
        foot,
        label=label,
        class_="map",
    )
