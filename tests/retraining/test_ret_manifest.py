"""A dataset is its content: the same labels give the same bytes."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from monitor.labelling.quality_values import Drawn, LabelledRecord
from monitor.retraining.manifest import LABELS, MANIFEST, POINTER, Item, dataset, without

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def item(name: str, **changed: Any) -> Item:
    values: dict[str, Any] = {
        "record_id": name,
        "version": "v1",
        "cell": {"site": "north", "camera": "c1"},
        "prediction": 3,
        "confidence": 0.8,
        "label": 5,
        "predicted_at": AT,
        "arrived_at": AT,
        "drawn": Drawn.CHOSEN,
    }
    return Item(record=LabelledRecord(**(values | changed)), uri=f"s3://bucket/{name}.png")


def frozen(*items: Item, parent: str | None = None) -> Any:
    return dataset(items, model="reader", deployment="production", parent=parent)


def test_the_same_labels_are_the_same_bytes_in_any_order() -> None:
    one, other = frozen(item("a"), item("b"), item("a")), frozen(item("b"), item("a"))
    assert one.files == other.files
    assert one.sha256 == hashlib.sha256(one.files[LABELS]).hexdigest()
    assert one.items == 2


def test_another_label_is_another_dataset_and_its_parent_is_named() -> None:
    first = frozen(item("a"))
    second = frozen(item("a", label=3), parent=first.sha256)
    assert first.sha256 != second.sha256
    about = json.loads(second.files[MANIFEST])
    assert about["parent"] == first.sha256
    assert about["classes"] == {"3": 1}
    assert about["slices"] == {"camera=c1": 1, "site=north": 1}


def test_a_line_says_what_training_needs_and_how_it_was_drawn() -> None:
    (line,) = frozen(item("a")).files[LABELS].splitlines()
    found = json.loads(line)
    assert (found["id"], found["label"], found["uri"]) == ("a", 5, "s3://bucket/a.png")
    assert (found["drawn"], found["inclusion"]) == ("chosen", 1.0)
    assert found["slice"] == {"camera": "c1", "site": "north"}
    assert "author" not in found  # a dataset travels: it names no person
    said = found.pop("sha256")
    plain = json.dumps(found, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert said == hashlib.sha256(plain.encode()).hexdigest()


def test_a_record_stays_on_its_side_of_the_split() -> None:
    """The holdout is a tenth by the hash of the id, whatever else is in the dataset."""
    many = frozen(*(item(f"r-{k}") for k in range(2000)))
    lines = [json.loads(line) for line in many.files[LABELS].splitlines()]
    held = {one["id"] for one in lines if one["split"] == "holdout"}
    assert 150 < len(held) < 250
    few = frozen(*(item(f"r-{k}") for k in range(100)))
    again = [json.loads(line) for line in few.files[LABELS].splitlines()]
    assert {one["id"] for one in again if one["split"] == "holdout"} <= held


def test_dvc_finds_its_pointer() -> None:
    made = frozen(item("a"))
    digest = hashlib.md5(made.files[LABELS], usedforsecurity=False).hexdigest()
    assert made.files[POINTER].decode() == (
        f"outs:\n- md5: {digest}\n  size: {len(made.files[LABELS])}\n  hash: md5\n"
        "  path: labels.jsonl\n"
    )


def test_a_forgotten_record_leaves_no_line() -> None:
    made = frozen(item("a"), item("b"))
    left = without(made.files[LABELS], "a")
    assert left == frozen(item("b")).files[LABELS]
    assert without(made.files[LABELS], "c") is None
