"""Data faults are counted cell by cell, add up, and travel."""

from __future__ import annotations

import numpy as np
import pytest

from vigil.quality.counts import NO_FAULTS, Quality
from vigil.quality.kinds import DataFault
from vigil.quality.schema import ImageForm, Key, Schema, kind_of

CELLS = (("n",), ("s",), ("w",))


def some(rng, cells=CELLS):
    n = 50
    flags = (rng.integers(0, 2, n) << rng.integers(0, len(DataFault), n)).astype(np.uint32)
    return Quality.of(flags, rng.integers(0, len(cells), n), cells, {"black_frame": "dark"})


def test_flags_are_counted_by_cell():
    flags = np.array([1, 3, 0, 1], np.uint32)
    found = Quality.of(flags, np.array([0, 1, 1, 0]), CELLS, {"black_frame": "dark", "x": "no"})
    assert found.counts == {
        "black_frame": {("n",): 2, ("s",): 1},
        "frozen_frame": {("s",): 1},
    }
    assert found.examples == {"black_frame": "dark"}
    assert found.total("black_frame") == 3
    assert found.of_cells("black_frame", [("w",), ("n",)]).tolist() == [0, 2]
    assert not Quality.of(np.zeros(4, np.uint32), np.zeros(4, np.int64), CELLS, {})


def test_quality_adds_up_and_travels():
    """Property: the sum of parts counts what the parts count, through JSON too."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        parts = [some(rng) for _ in range(3)]
        total = Quality.sum(parts)
        for kind in DataFault:
            assert total.total(kind) == sum(part.total(kind) for part in parts)
        assert Quality.from_json(total.to_json(CELLS), CELLS) == total
    assert Quality.from_json({}, CELLS) is Quality.sum([]) is NO_FAULTS


@pytest.mark.parametrize(
    "bad",
    [
        {"k": {"at": [[3, 1]], "example": ""}},
        {"k": {"at": [[-1, 1]], "example": ""}},
        {"k": {"at": [[0, -1]], "example": ""}},
        {"k": {"at": [[0, 2**50]], "example": ""}},
        {"k": {"at": [[0, 1.5]], "example": ""}},
        {"k": {"at": [[0, 1]] * 4, "example": ""}},
        {"k" * 65: {"at": [], "example": ""}},
        {"a\nb": {"at": [], "example": ""}},
        {f"k{i}": {"at": [], "example": ""} for i in range(33)},
    ],
)
def test_what_a_stranger_sends_is_refused(bad):
    with pytest.raises(ValueError, match="quality"):
        Quality.from_json(bad, CELLS)


def test_kinds_of_a_newer_tap_are_kept():
    plain = {"comet_in_frame": {"at": [[0, 2]], "example": "x" * 500}}
    found = Quality.from_json(plain, CELLS)
    assert found.total("comet_in_frame") == 2
    assert len(found.examples["comet_in_frame"]) == 200


def test_every_fault_has_words():
    assert all(kind.words for kind in DataFault)
    assert sum(kind.bit for kind in DataFault) == 2 ** len(DataFault) - 1


def test_a_schema_travels_and_a_newer_one_checks_nothing():
    schema = Schema(
        records=10,
        sizes=("4x4",),
        channels=(3,),
        types=("uint8",),
        low=0.0,
        high=1.0,
        classes=5,
        dimension=8,
        others={"text": 4},
        keys={"site": Key(share=1.0, kinds=("text",))},
    )
    assert Schema.from_json(schema.to_json()) == schema
    assert Schema.from_json({**schema.to_json(), "format": 9}) is None
    assert Schema.from_json({}) is Schema.from_json(None) is None
    with pytest.raises(ValueError, match="schema"):
        Schema.from_json({**schema.to_json(), "keys": {str(i): [1, []] for i in range(65)}})


@pytest.mark.parametrize(
    ("text", "kind"),
    [("", "empty"), ("True", "flag"), ("3", "number"), ("-2.5e3", "number"), ("n1", "text")],
)
def test_kinds_of_values(text, kind):
    assert kind_of(text) == kind
    assert ImageForm(2, 3, 1, "uint8").size == "2x3"
