"""``Boxes``: what an object detector found in n images, with the true boxes where they are known.

The layout is flat: one row per box and the index of its image, so that everything is vectorised.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.methods.boxes.given import corners_of, integers_of, scores_of, sizes_of
from vigil.errors import ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes:
    """Boxes of n images. An image without boxes counts: it has simply no row.

    Attributes:
        images: n, the number of images.
        image: (m,) integers 0..n-1: the image of each predicted box.
        boxes: (m, 4): x1, y1, x2, y2 with x2 >= x1 and y2 >= y1, in pixels or as shares of the
            image (relative units); both sides of a comparison in the same unit. A box with a value
            that is not finite is kept here; detectors leave it out and count it.
        scores: (m,): confidence in [0, 1].
        classes: (m,): integers >= 0.
        size: (n, 2): width and height of each image in the unit of the boxes; (2,) where all are
            alike; None means relative units, (1, 1).
        true_image, true_boxes, true_classes: (t,), (t, 4), (t,): the same of the true boxes; all
            None where the truth is not known. No row for an image means that nothing is there.

    Raises:
        ShapeError: a shape does not fit; an index beyond the images; corners the wrong way round
            (x, y, width, height?); a score outside [0, 1]; an image without size; a part of the
            truth missing.

    Example:
        >>> sample = Boxes(
        ...     images=2, image=[0, 0], boxes=[[0, 0, 10, 20], [5, 5, 9, 9]], scores=[0.9, 0.4],
        ...     classes=[1, 2], size=(640, 480),
        ... )
        >>> sample.counts
        array([2, 0])
        >>> sample.take([1, 0, 0]).counts
        array([0, 2, 2])
    """

    images: int
    image: Ints
    boxes: Floats
    scores: Floats
    classes: Ints
    size: Floats
    true_image: Ints | None = None
    true_boxes: Floats | None = None
    true_classes: Ints | None = None

    def __init__(
        self,
        *,
        images: int,
        image: ArrayLike,
        boxes: ArrayLike,
        scores: ArrayLike,
        classes: ArrayLike,
        size: ArrayLike | None = None,
        true_image: ArrayLike | None = None,
        true_boxes: ArrayLike | None = None,
        true_classes: ArrayLike | None = None,
    ) -> None:
        n = operator.index(images)
        if n < 0:
            raise ShapeError("images", expected="a number of images", found=repr(images))
        values: dict[str, Any] = {"images": n, "boxes": corners_of("boxes", boxes)}
        rows = len(values["boxes"])
        values["image"] = integers_of("image", image, rows, upper=n)
        values["classes"] = integers_of("classes", classes, rows)
        values["scores"] = scores_of(scores, rows)
        values["size"] = sizes_of(size, n)
        truth = {"true_image": true_image, "true_boxes": true_boxes, "true_classes": true_classes}
        missing = [name for name, given in truth.items() if given is None]
        if missing and len(missing) < len(truth):
            raise ShapeError(
                "truth", expected=", ".join(truth), found=f"no {' and no '.join(missing)}"
            )
        if true_image is not None and true_boxes is not None and true_classes is not None:
            corners = corners_of("true_boxes", true_boxes)
            values["true_boxes"] = corners
            values["true_image"] = integers_of("true_image", true_image, len(corners), upper=n)
            values["true_classes"] = integers_of("true_classes", true_classes, len(corners))
        else:
            values |= dict.fromkeys(truth)
        _fill(self, values)

    def __len__(self) -> int:
        """The number of images."""
        return self.images

    @property
    def has_truth(self) -> bool:
        return self.true_image is not None

    @property
    def counts(self) -> Ints:
        """(n,): predicted boxes per image."""
        return np.bincount(self.image, minlength=self.images).astype(np.int64)

    @property
    def truth(self) -> tuple[Ints, Floats, Ints]:
        """Image (t,), corners (t, 4) and class (t,) of the true boxes.

        Raises:
            ShapeError: the truth is not known.
        """
        if self.true_image is None or self.true_boxes is None or self.true_classes is None:
            raise ShapeError("true_boxes", expected="true boxes", found="None")
        return self.true_image, self.true_boxes, self.true_classes

    def take(self, images: ArrayLike) -> Boxes:
        """The images at these indices (again, where one is named again), in that order."""
        chosen = np.asarray(images, dtype=np.int64)
        rows, image = rows_of(self.image, self.images, chosen)
        values: dict[str, Any] = {
            "images": len(chosen),
            "image": image,
            "boxes": self.boxes[rows],
            "scores": self.scores[rows],
            "classes": self.classes[rows],
            "size": self.size[chosen],
            "true_image": None,
            "true_boxes": None,
            "true_classes": None,
        }
        if self.has_truth:
            of, corners, kinds = self.truth
            rows, values["true_image"] = rows_of(of, self.images, chosen)
            values["true_boxes"], values["true_classes"] = corners[rows], kinds[rows]
        return _trusted(values)

    def usable(self) -> tuple[Boxes, int]:
        """Without the predicted boxes whose corners or score are not finite, and how many those
        are. Their images stay."""
        keep = np.isfinite(self.boxes).all(axis=1) & np.isfinite(self.scores)
        names = ("images", "size", "true_image", "true_boxes", "true_classes")
        values: dict[str, Any] = {name: getattr(self, name) for name in names}
        for name in ("image", "boxes", "scores", "classes"):
            values[name] = getattr(self, name)[keep]
        return _trusted(values), int(len(keep) - keep.sum())


def from_images(found: Sequence[Mapping[str, ArrayLike]]) -> Boxes:
    """One mapping per image: ``boxes`` (k, 4), ``scores`` (k,), ``classes`` (k,), and optionally
    ``size`` (2,), ``true_boxes`` (j, 4) and ``true_classes`` (j,): as detection libraries give it.

    Raises:
        ShapeError: see ``Boxes``; the truth or the size known for some images only.
        KeyError: a part is missing.

    Example:
        >>> from_images([{"boxes": [[0, 0, 1, 1]], "scores": [0.5], "classes": [0]}]).counts
        array([1])
    """

    def column(name: str, width: int | None = None) -> tuple[NDArray[Any], Ints]:
        parts = [np.asarray(one[name]) for one in found]
        index = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        filled = [part for part in parts if len(part)]
        empty = np.zeros((0,) if width is None else (0, width))
        return (np.concatenate(filled) if filled else empty), index

    def everywhere(name: str) -> bool:
        known = sum(one.get(name) is not None for one in found)
        if 0 < known < len(found):
            raise ShapeError(name, expected="in every image, or in none", found=f"in {known}")
        return known > 0

    boxes, image = column("boxes", 4)
    truth: dict[str, ArrayLike] = {}
    if everywhere("true_boxes"):
        truth["true_boxes"], truth["true_image"] = column("true_boxes", 4)
        truth["true_classes"], _ = column("true_classes")
    size = np.array([one["size"] for one in found]) if everywhere("size") else None
    return Boxes(
        images=len(found),
        image=image,
        boxes=boxes,
        scores=column("scores")[0],
        classes=column("classes")[0],
        size=size,
        **truth,
    )


def concatenate(samples: Sequence[Boxes]) -> Boxes:
    """All images of some samples, in order; the truth is kept where every sample has it."""
    starts = np.cumsum([0, *(sample.images for sample in samples)])
    values: dict[str, Any] = {"images": int(starts[-1])}
    values["image"] = np.concatenate([s.image + at for s, at in zip(samples, starts, strict=False)])
    for name in ("boxes", "scores", "classes", "size"):
        values[name] = np.concatenate([getattr(sample, name) for sample in samples])
    values |= {"true_image": None, "true_boxes": None, "true_classes": None}
    if all(sample.has_truth for sample in samples):
        truths = [sample.truth for sample in samples]
        moved = [truth[0] + at for truth, at in zip(truths, starts, strict=False)]
        values["true_image"] = np.concatenate(moved)
        values["true_boxes"] = np.concatenate([truth[1] for truth in truths])
        values["true_classes"] = np.concatenate([truth[2] for truth in truths])
    return _trusted(values)


def usable_pair(
    reference: Boxes, current: Boxes, *, truth: bool
) -> tuple[Boxes, Boxes, tuple[int, int]]:
    """Both sides without boxes that are not finite, and how many those were.

    Raises:
        ShapeError: a side is no ``Boxes``, or has no truth where that is needed; true boxes that
            are not finite.
    """
    for what, sample in (("reference", reference), ("current", current)):
        if not isinstance(sample, Boxes):
            raise ShapeError(what, expected="Boxes", found=type(sample).__name__)
        if truth and not np.isfinite(sample.truth[1]).all():
            raise ShapeError(f"{what}: true_boxes", expected="finite corners", found="NaN")
    before, lost_before = reference.usable()
    now, lost_now = current.usable()
    return before, now, (lost_before, lost_now)


def rows_of(image: Ints, images: int, chosen: Ints) -> tuple[Ints, Ints]:
    """Rows that belong to the chosen images, and the position of each one's image in ``chosen``."""
    order = np.argsort(image, kind="stable")
    counts = np.bincount(image, minlength=images)
    starts = np.cumsum(counts) - counts
    lengths = counts[chosen]
    position = np.repeat(np.arange(len(chosen)), lengths)
    ends = np.cumsum(lengths)
    inside = np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)
    rows: Ints = order[np.repeat(starts[chosen], lengths) + inside]
    return rows, position.astype(np.int64)


def _trusted(values: Mapping[str, Any]) -> Boxes:
    sample = object.__new__(Boxes)
    _fill(sample, values)
    return sample


def _fill(sample: Boxes, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        object.__setattr__(sample, name, value)
