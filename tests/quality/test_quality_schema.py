"""A schema is learned from good records and finds what does not fit it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from vigil.quality.check import check
from vigil.quality.kinds import DataFault
from vigil.quality.learn import MOST_KNOWN, SchemaLearner
from vigil.quality.schema import MOST_KEYS, ImageForm

USUAL = {"site": "north", "camera": "c1", "shift": "3"}
FORM = ImageForm(28, 28, 1, "uint8")


@dataclass(frozen=True)
class Seen:
    """Records as a schema sees them."""

    n: int = 50
    task: str = "classification"
    image_form: ImageForm | None = FORM
    span: tuple[float, float] | None = None
    classes: int = 10
    dimension: int = 8
    other: dict[str, int] = field(default_factory=dict)
    rows: Any = None

    def __len__(self) -> int:
        return self.n

    @property
    def pixel_range(self):
        return np.tile(np.array(self.span or (np.nan, np.nan), np.float32), (self.n, 1))

    @property
    def probabilities(self):
        return np.zeros((self.n, self.classes), np.float32)

    @property
    def embedding(self):
        return np.zeros((self.n, self.dimension), np.float32)

    @property
    def others(self):
        return {name: np.zeros((self.n, d), np.float32) for name, d in self.other.items()}

    @property
    def metadata(self):
        return (USUAL,) * self.n if self.rows is None else tuple(self.rows)


def learned(*seen):
    learner = SchemaLearner()
    for one in seen:
        learner.add(one)
    return learner.schema()


def found(schema, seen):
    flags, examples = check(schema, seen)
    kinds = {kind for kind in DataFault if (flags & np.uint32(kind.bit)).any()}
    assert {kind.value for kind in kinds} == set(examples)
    return kinds, examples


@pytest.mark.parametrize(
    ("change", "kind", "example"),
    [
        (
            {"image_form": ImageForm(32, 28, 1, "uint8")},
            "image_size",
            "expected 28x28, found 32x28",
        ),
        ({"image_form": ImageForm(28, 28, 3, "uint8")}, "image_channels", "expected 1, found 3"),
        ({"image_form": ImageForm(28, 28, 1, "f4")}, "image_type", "expected uint8, found f4"),
        ({"span": (0.0, 255.0)}, "image_range", "expected 0 to 1, found 0 to 255"),
        ({"classes": 9}, "classes", "expected 10, found 9"),
        ({"dimension": 16}, "embedding_size", "expected 8 dimensions, found 16"),
        ({"other": {"text": 5}}, "embedding_size", "expected 4 dimensions of text, found 5"),
        (
            {"rows": [{"camera": "c1", "shift": "3"}] * 50},
            "key_missing",
            "the key site, found none",
        ),
        (
            {"rows": [{"site": "n", "camera": "c", "shift": "3", "who": "x"}] * 50},
            "key_new",
            "expected the baseline's keys, found who",
        ),
        (
            {"rows": [{"site": "n", "camera": "c", "shift": "late"}] * 50},
            "key_kind",
            "expected shift to be number, found text",
        ),
    ],
)
def test_each_departure_is_one_kind_with_its_example(change, kind, example):
    schema = learned(Seen(span=(0.0, 1.0), other={"text": 4}))
    assert found(schema, Seen(span=(0.02, 0.98), other={"text": 4})) == (set(), {})
    kinds, examples = found(schema, replace(Seen(), **change))
    assert kinds == {DataFault(kind)}
    assert example in examples[kind]


def test_what_a_call_does_not_give_is_not_held_against_it():
    """That is missing, which other rules judge."""
    schema = learned(Seen(span=(0.0, 1.0)))
    assert found(schema, Seen(image_form=None, classes=0, dimension=0))[0] == set()


def test_rare_records_of_the_baseline_teach_nothing():
    """One strange record in ten thousand is a fault of the baseline; one in fifty is usual."""
    strange = Seen(n=1, image_form=ImageForm(1, 1, 1, "uint8"), rows=[{"oops": "1"}])
    schema = learned(*[Seen(n=100)] * 100, strange)
    assert schema.sizes == ("28x28",)
    assert "oops" not in schema.keys
    schema = learned(Seen(n=98), replace(strange, n=2, rows=[{"oops": "1"}] * 2))
    assert schema.sizes == ("1x1", "28x28")
    assert schema.keys["oops"].share == 0.02


def test_keys_that_some_records_lack_are_not_required():
    rows = [{"site": "n"}] * 40 + [{"site": "n", "badge": "7"}] * 10
    schema = learned(Seen(rows=rows))
    assert found(schema, Seen(n=2, rows=[{"site": "n"}, {"site": "s", "badge": "8"}]))[0] == set()
    flags, _ = check(schema, Seen(n=3, rows=[{"site": "n"}, {"badge": "8"}, {}]))
    assert (flags != 0).tolist() == [False, True, True]


def test_images_of_very_many_sizes_are_held_to_none():
    schema = learned(*[Seen(image_form=ImageForm(100 + i, 100, 3, "uint8")) for i in range(40)])
    assert schema.sizes == ()
    assert found(schema, Seen(image_form=ImageForm(9, 9, 3, "uint8"), classes=10))[0] == set()
    assert DataFault.IMAGE_CHANNELS in found(schema, Seen())[0]


def test_memory_and_the_schema_are_bounded():
    """Metadata that takes ever new keys, images of ever new sizes."""
    learner = SchemaLearner()
    for i in range(1000):
        learner.add(Seen(n=1, image_form=ImageForm(i + 1, 1, 1, "uint8"), rows=[{f"k{i}": "v"}]))
    assert len(learner._keys) == len(learner._forms) == MOST_KNOWN
    assert len(learner.schema().keys) <= MOST_KEYS
    assert SchemaLearner().schema() is None


def test_several_sizes_of_embeddings_are_held_to_none():
    schema = learned(Seen(), Seen(dimension=16))
    assert schema.dimension == 0


def test_an_example_holds_no_value():
    """Names of keys, sizes and types only: values are the record's own."""
    schema = learned(Seen())
    rows = [{"site": "n", "camera": "c", "shift": "marker-4711", "who": "marker-4712"}] * 50
    _, examples = found(schema, Seen(rows=rows))
    assert examples
    assert "marker" not in str(examples)
