"""Why a record was picked, in a line."""

from __future__ import annotations

from collections.abc import Sequence


def reason_for(
    top: tuple[tuple[int, float], ...],
    *,
    uncertainty: float,
    ratio: float,
    novelty: float,
    excess: float | None,
    class_names: Sequence[str],
) -> str:
    """The most telling first; ``ratio`` is the distance in usual distances."""
    parts = []
    if novelty > 0.5 and ratio >= 1.5:
        text = f"unfamiliar: {ratio:.1f} times as far from the training images as usual"
        parts.append((novelty, text))
    if uncertainty >= 0.3 and len(top) >= 2:
        told = [
            f"{class_names[one] if one < len(class_names) else one} at {p:.2f}"
            for one, p in top[:2]
        ]
        parts.append((uncertainty, f"uncertain: {told[0]}, {told[1]}"))
    parts.sort(key=lambda part: -part[0])
    texts = [text for _, text in parts]
    if excess is not None and excess >= 0.5:
        texts.append(f"drift: {excess:.0%} of the traffic like it is new")
    return "; ".join(texts) or "unlike the others picked"
