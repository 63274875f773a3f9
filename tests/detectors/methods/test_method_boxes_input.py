"""``Boxes``: what it accepts, refuses and gives."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest

from detectors.methods.boxes import boxes as module
from detectors.methods.boxes.boxes import Boxes, concatenate, from_images
from vigil.errors import ShapeError

GOOD: dict[str, Any] = {
    "images": 2,
    "image": [0, 1],
    "boxes": [[0, 0, 1, 1], [0, 0, 2, 2]],
    "scores": [0.5, 0.6],
    "classes": [0, 1],
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"images": -1}, "images"),
        ({"image": [0, 2]}, "0..1"),
        ({"image": [0.0, 1.0]}, "integers"),
        ({"boxes": [[0, 0, 1], [0, 0, 2]]}, r"\(m, 4\)"),
        ({"boxes": [[5, 5, 1, 1], [0, 0, 2, 2]]}, "x2 >= x1"),
        ({"scores": [0.5]}, "scores"),
        ({"scores": [0.5, 50.0]}, r"\[0, 1\]"),
        ({"classes": [0, -1]}, ">= 0"),
        ({"size": [[1, 1]] * 3}, "size"),
        ({"size": (0, 4)}, "> 0"),
        ({"true_image": [0]}, "true_boxes"),
        ({"true_image": [0], "true_boxes": [[0, 0, 1, 1]], "true_classes": [0, 1]}, "true_classes"),
    ],
)
def test_what_can_not_be_meant_is_refused(change: dict[str, Any], says: str) -> None:
    """An error names the part, what was expected and what came."""
    with pytest.raises(ShapeError, match=says):
        Boxes(**(GOOD | change))


def test_images_without_boxes_count() -> None:
    """An empty sample and empty images are legal."""
    empty = Boxes(images=3, image=[], boxes=[], scores=[], classes=[])
    assert empty.counts.tolist() == [0, 0, 0]
    assert len(Boxes(images=0, image=[], boxes=[], scores=[], classes=[])) == 0


def test_taking_images_keeps_their_boxes_and_truth() -> None:
    """Also in another order and more than once."""
    sample = from_images(
        [
            {
                "boxes": np.full((k, 4), k),
                "scores": [0.5] * k,
                "classes": [k] * k,
                "true_boxes": np.full((1, 4), k),
                "true_classes": [k],
            }
            for k in range(4)
        ]
    )
    taken = sample.take([3, 0, 2, 3])
    assert taken.counts.tolist() == [3, 0, 2, 3]
    assert taken.classes.tolist() == [3, 3, 3, 2, 2, 3, 3, 3]
    assert taken.truth[2].tolist() == [3, 0, 2, 3]
    both = concatenate([sample.take([0, 1]), sample.take([2, 3])])
    np.testing.assert_array_equal(both.image, sample.image)
    np.testing.assert_array_equal(both.truth[0], sample.truth[0])


def test_truth_of_some_images_only_is_refused() -> None:
    """Not knowing is not the same as nothing being there."""
    one = {"boxes": [[0, 0, 1, 1]], "scores": [0.5], "classes": [0]}
    with pytest.raises(ShapeError, match="true_boxes"):
        from_images([one, one | {"true_boxes": [[0, 0, 1, 1]], "true_classes": [0]}])


def test_boxes_that_are_not_finite_are_left_out_and_counted() -> None:
    """Their images stay."""
    sample = Boxes(**(GOOD | {"scores": [0.5, np.nan]}))
    kept, left_out = sample.usable()
    assert (kept.images, len(kept.boxes), left_out) == (2, 1, 1)


def test_examples() -> None:
    """The docstrings run."""
    assert doctest.testmod(module).failed == 0
