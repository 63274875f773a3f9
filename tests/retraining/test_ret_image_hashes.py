"""What an image's hash is of, and which uris are never read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import fsspec
import numpy as np
import pytest
from label_rows import label_row, task_row
from retrain_scene import propose, with_rules

from monitor.labelling import pictures
from monitor.labelling.pictures import Pictures
from monitor.retraining import image_hashes as hashes
from monitor.retraining.datasets import labels_of
from monitor.retraining.image_hashes import ImageHash, Of, Why, hash_of, image_hashes, is_within
from monitor.services import Services
from monitor.store.samples import MemorySamples
from monitor.store.tables import DatasetRow

RAW = b"\x89PNG an image"


@pytest.mark.parametrize(
    ("uri", "is_read"),
    [
        ("s3://bucket/frames/1.png", True),
        ("S3://bucket/frames/deep/1.png", True),
        ("/mnt/images/1.png", True),
        ("file:///mnt/images/1.png", True),
        ("s3://bucket/frames", False),
        ("s3://bucket/frames-of-others/1.png", False),
        ("s3://bucket/other/1.png", False),
        ("s3://bucket/frames/../secret", False),
        ("/mnt/images/../../etc/passwd", False),
        ("/mnt/images/%2e%2e/etc/passwd", False),
        ("/etc/passwd", False),
        ("file:///etc/passwd", False),
        ("http://169.254.169.254/latest", False),
        ("simplecache::s3://bucket/frames/1.png", False),
        ("mnt/images/1.png", False),
        ("", False),
    ],
)
def test_only_uris_below_the_places_that_the_settings_name_are_read(
    uri: str, is_read: bool
) -> None:
    """A uri comes from whoever records: it may name a file of the service, or a host inside."""
    assert is_within(uri, ("s3://bucket/frames", "/mnt/images/")) is is_read


def test_the_bytes_are_hashed_as_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1.png").write_bytes(RAW)
    found = hash_of(str(tmp_path / "1.png"))
    assert found == ImageHash(sha256=hashlib.sha256(RAW).hexdigest(), of=Of.IMAGE, why=None)
    with fsspec.open("memory://hashes/1.png", "wb") as file:
        file.write(RAW)
    assert hash_of("memory://hashes/1.png") == found
    assert hash_of(str(tmp_path / "none.png")).why is Why.UNREADABLE
    assert hash_of(str(tmp_path)).why is Why.UNREADABLE
    assert hash_of("no-such-storage://x/1.png").why is Why.UNREADABLE
    (tmp_path / "empty.png").touch()
    assert hash_of(str(tmp_path / "empty.png")).why is Why.UNREADABLE
    monkeypatch.setattr(hashes, "MOST_BYTES", 5)
    assert hash_of(str(tmp_path / "1.png")).why is Why.TOO_LARGE


def test_a_thumbnail_stands_in_and_says_so(tmp_path: Path) -> None:
    """Its pixels, not a PNG of them: encoders differ."""
    samples = MemorySamples()
    thumbnails = np.arange(2 * 4, dtype=np.uint8).reshape(2, 2, 2, 1)
    made = Pictures(ids=("a", "b"), thumbnails=thumbnails, embedding=np.zeros((2, 0), np.float16))
    pictures.write(samples, "batch-1", made)
    batches = {"a": "batch-1", "c": "batch-1", "d": "gone"}
    uris = {"a": "s3://elsewhere/a.png", "b": "", "c": "", "d": str(tmp_path / "d.png")}
    (tmp_path / "d.png").write_bytes(RAW)
    found = image_hashes(uris, batches, samples, allowed=[str(tmp_path)])
    assert found["a"] == ImageHash(
        sha256=hashlib.sha256(bytes([0, 1, 2, 3])).hexdigest(),
        of=Of.THUMBNAIL,
        why=Why.NOT_ALLOWED,
    )
    assert found["b"] == found["c"] == ImageHash(why=Why.NO_URI)
    assert found["d"].of is Of.IMAGE


def test_too_many_images_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "MOST_IMAGES", 1)
    uris = {name: str(tmp_path / name) for name in ("a", "b")}
    for path in uris.values():
        Path(path).write_bytes(RAW)
    found = image_hashes(uris, {}, MemorySamples(), allowed=[str(tmp_path)])
    assert (found["a"].of, found["b"].why) == (Of.IMAGE, Why.TOO_MANY)


def test_a_dataset_names_each_image_by_its_hash(services: Services, tmp_path: Path) -> None:
    """The same images give the same dataset; another image under the same uri another one."""
    services = with_rules(services, images=(f"{tmp_path}/",))
    (tmp_path / "1.png").write_bytes(RAW)
    with services.sessions.begin() as session:
        task = task_row("r-1")
        task.data = {**task.data, "uri": str(tmp_path / "1.png")}
        session.add_all([task, label_row("r-1"), label_row("r-2")])
    propose(services)
    with services.sessions() as session:
        (row,) = session.query(DatasetRow).all()
        lines = labels_of(session, services.settings, services.samples, row.sha256)
    first, second = (json.loads(line)["image"] for line in lines.splitlines())
    assert first == {"sha256": hashlib.sha256(RAW).hexdigest(), "of": "image", "why": None}
    assert second == {"sha256": None, "of": None, "why": "no_uri"}
    assert row.about["images"] == {"image": 1, "none": 1}
