"""Records are read from every supported place alike; what can't be read is named with its row."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from monitor.baselines.load import Labelled, load_batches
from vigil.catalogue import SCALAR_NAMES
from vigil.errors import BaselineError
from vigil.measuring.batch import RecordBatch

N = 7
RNG = np.random.default_rng(1)
PROBABILITIES = RNG.dirichlet(np.ones(3), N)
EMBEDDING = RNG.normal(size=(N, 4)).astype(np.float32)
IMAGES = RNG.integers(0, 256, (N, 10, 12), dtype=np.uint8)
LABELS = [0, 1, 2, -1, 1, 0, 2]
SITES = [f"s{i % 2}" for i in range(N)]


def load(origin: Path | str, **changes: Any) -> list[Labelled]:
    return list(
        load_batches(str(origin), model="reader", version="v1", **{"keys": ("site",), **changes})
    )


def check(batches: list[Labelled], *, images: bool = False) -> RecordBatch:
    batch = RecordBatch.concatenate([one for one, _ in batches])
    np.testing.assert_allclose(batch.probabilities, PROBABILITIES, atol=1e-6)
    np.testing.assert_allclose(batch.embedding, EMBEDDING, atol=1e-6)
    assert [row["site"] for row in batch.metadata] == SITES
    assert np.concatenate([labels for _, labels in batches]).tolist() == LABELS
    if images:
        brightness = batch.signals[:, SCALAR_NAMES.index("brightness")]
        np.testing.assert_allclose(brightness, IMAGES.mean(axis=(1, 2)) / 255, rtol=1e-5)
    return batch


def write_npz(path: Path, **changes: Any) -> Path:
    columns = {
        "probabilities": PROBABILITIES,
        "embedding": EMBEDDING,
        "label": np.array(LABELS),
        "site": np.array(SITES),
        "image": IMAGES,
        "time_s": np.arange(N) + 1000.0,
    }
    np.savez(path, **{k: v for k, v in {**columns, **changes}.items() if v is not None})
    return path


def write_parquet(path: Path) -> Path:
    labels = [None if label < 0 else label for label in LABELS]
    table = {
        "probabilities": PROBABILITIES.tolist(),
        "embedding": EMBEDDING.tolist(),
        "label": labels,
        "site": SITES,
        "time": ["2026-11-21T12:00:00Z"] * N,
    }
    pq.write_table(pa.table(table), path)
    return path


def write_folder(folder: Path, kind: str) -> Path:
    folder.mkdir()
    for i, image in enumerate(IMAGES):
        Image.fromarray(image).save(folder / f"{i}.png")
    rows = [
        {
            "image": f"{i}.png",
            "probabilities": PROBABILITIES[i].tolist(),
            "label": LABELS[i] if LABELS[i] >= 0 else None,
            "site": SITES[i],
        }
        for i in range(N)
    ]
    if kind == "jsonl":
        text = "\n".join(json.dumps(row) for row in rows)
        (folder / "predictions.jsonl").write_text(text + "\n\n")
    else:
        with (folder / "predictions.csv").open("w", newline="") as file:
            spread = ["p0", "p1", "p2"] if kind == "spread" else ["probabilities"]
            writer = csv.writer(file)
            writer.writerow(["image", *spread, "label", "site"])
            for row in rows:
                values = row["probabilities"]
                cells = values if kind == "spread" else [json.dumps(values)]
                writer.writerow([row["image"], *cells, row["label"], row["site"]])
    np.save(folder / "embeddings.npy", EMBEDDING)
    return folder


def test_npz(tmp_path):
    batch = check(load(write_npz(tmp_path / "a.npz")), images=True)
    assert batch.time_s.tolist() == [1000.0 + i for i in range(N)]
    assert batch.ids[3] == "reader.v1.3"


def test_parquet(tmp_path):
    batch = check(load(write_parquet(tmp_path / "a.parquet")))
    assert batch.time_s[0] == 1795262400.0


@pytest.mark.parametrize("kind", ["csv", "spread", "jsonl"])
def test_a_folder_of_images(tmp_path, kind):
    check(load(write_folder(tmp_path / "data", kind)), images=True)


def test_images_of_several_sizes_come_in_batches_of_one_size(tmp_path):
    folder = write_folder(tmp_path / "data", "jsonl")
    Image.new("RGB", (5, 6)).save(folder / "2.png")
    assert [len(batch) for batch, _ in load(folder)] == [2, 1, 4]


def test_a_folder_of_files_is_read_in_order_and_numbered_through(tmp_path):
    for name in ("b", "a"):
        write_npz(tmp_path / f"{name}.npz", label=None)
    batches = load(tmp_path)
    assert [labels for _, labels in batches] == [None, None]
    assert batches[1][0].ids[0] == f"reader.v1.{N}"


def test_a_python_iterator(tmp_path, monkeypatch):
    (tmp_path / "my_loader_of_batches.py").write_text(
        "import numpy as np\n"
        "def batches():\n"
        "    for i in range(2):\n"
        "        yield {'outputs': np.eye(3), 'metadata': {'site': 'a'}, 'labels': [0, 1, 2]}\n"
        "loader = [{'outputs': np.eye(3)}]\n"
        "def tuples():\n"
        "    yield (1, 2)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    found = load("my_loader_of_batches:batches")
    assert [labels.tolist() for _, labels in found] == [[0, 1, 2]] * 2
    assert [len(batch) for batch, _ in load("my_loader_of_batches:loader")] == [3]
    with pytest.raises(BaselineError, match="batch 1: expected a mapping"):
        load("my_loader_of_batches:tuples")
    with pytest.raises(BaselineError, match="can't be imported"):
        load("my_loader_of_batches:absent")
    sys.modules.pop("my_loader_of_batches")


def test_logits_say_so_themselves(tmp_path):
    path = write_npz(tmp_path / "a.npz", probabilities=None, logits=np.log(PROBABILITIES))
    check(load(path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"site": None}, r"expected a column for each key, found none for site"),
        ({"label": np.zeros(3)}, r"expected arrays of one length"),
        ({"label": np.full(N, 0.5)}, r"label of row 1: expected a whole number, found 0\.5"),
        ({"probabilities": np.zeros((N, 2, 2))}, r"outputs: expected \(7, K\)"),
        ({"site": np.array([object()] * N)}, r"expected an npz file"),
    ],
)
def test_an_npz_at_fault_is_named(tmp_path, changes, message):
    path = write_npz(tmp_path / "a.npz", **changes)
    with pytest.raises(BaselineError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"image": "absent.png", "site": "a"}', r"jsonl:8: image 'absent.png' can't be read"),
        ("{not json", r"jsonl:8: expected a JSON object"),
        ('{"image": "0.png", "site": "a", "probabilities": [1]}', r"probabilities: expected numb"),
    ],
)
def test_a_row_at_fault_is_named(tmp_path, line, message):
    folder = write_folder(tmp_path / "data", "jsonl")
    table = folder / "predictions.jsonl"
    table.write_text(table.read_text().strip() + "\n" + line)
    with pytest.raises(BaselineError, match=message):
        load(folder)


def test_too_few_embeddings_are_noticed(tmp_path):
    folder = write_folder(tmp_path / "data", "jsonl")
    np.save(folder / "embeddings.npy", EMBEDDING[:3])
    with pytest.raises(BaselineError, match="expected a row for each"):
        load(folder)


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(BaselineError, match=r"expected \.npz or \.parquet files"):
        load(tmp_path)
    with pytest.raises(BaselineError, match="found none"):
        load(tmp_path / "absent")
    (tmp_path / "a.npz").write_bytes(b"rubbish")
    with pytest.raises(BaselineError, match="expected an npz file"):
        load(tmp_path / "a.npz")
    (tmp_path / "a.parquet").write_bytes(b"rubbish")
    with pytest.raises(BaselineError, match="expected a Parquet file"):
        load(tmp_path / "a.parquet")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(BaselineError, match=r"found \.txt"):
        load(tmp_path / "a.txt")
