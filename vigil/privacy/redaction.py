"""Hooks that hide what must not be seen, run on pictures before they leave the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vigil.values.objects import Objects

Images = NDArray[Any]
_NO_BOXES = np.zeros((0, 4), np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pictured:
    """What a hook is told of the record that a picture belongs to.

    ``boxes`` (k, 4): left, top, right, bottom in shares of the picture's sides, with their
    ``classes`` (k,) and ``scores`` (k,); None where the record came without detections.
    """

    metadata: Mapping[str, Any]
    boxes: NDArray[np.float32] | None = None
    classes: NDArray[np.int32] | None = None
    scores: NDArray[np.float32] | None = None


class Redact(Protocol):
    """Hides something in pictures (n, h, w, c), and returns them in the same shape and type.

    It may write into the pictures that it is given: they are copies. Where it raises, or returns
    another shape or type, none of the pictures is kept.
    """

    def __call__(self, images: Images, records: Sequence[Pictured], /) -> Images: ...


def redacted(
    images: Images, records: Sequence[Pictured], hooks: Sequence[Redact]
) -> tuple[Images | None, str]:
    """The pictures after all hooks, or None and why there are none. Never raises, and never gives
    back a picture that a hook did not see.

    Args:
        images: (n, h, w, c), copies that may be written into.
        records: n.
        hooks: in the order that they run.
    """
    shape, kind = images.shape, images.dtype
    found: Any = images
    for hook in hooks:
        try:
            found = hook(found, records)
        except Exception as error:  # what a detector of somebody else's raises
            return None, f"{_name(hook)}: {type(error).__name__}"
        if not isinstance(found, np.ndarray):
            return None, f"{_name(hook)}: expected an array, found {type(found).__name__}"
        if found.shape != shape or found.dtype != kind:
            return None, (
                f"{_name(hook)}: expected {shape} {kind}, found {found.shape} {found.dtype}"
            )
    return found, ""


def pictured(
    rows: Sequence[int], metadata: Sequence[Mapping[str, Any]], objects: Objects | None
) -> list[Pictured]:
    """What hooks are told of some records of a batch.

    Args:
        rows: which.
        metadata: of all n.
        objects: of all n; None where there were no detections.
    """
    if objects is None:
        return [Pictured(metadata=metadata[row]) for row in rows]
    starts = np.searchsorted(objects.row, np.arange(objects.records + 1))
    return [
        Pictured(
            metadata=metadata[row],
            boxes=objects.boxes[starts[row] : starts[row + 1]],
            classes=objects.classes[starts[row] : starts[row + 1]],
            scores=objects.scores[starts[row] : starts[row + 1]],
        )
        for row in rows
    ]


def _name(hook: object) -> str:
    return getattr(hook, "__name__", type(hook).__name__)
