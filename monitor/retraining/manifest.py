"""A dataset as bytes: the same labels give the same bytes, whoever writes them, whenever.

``labels.jsonl`` has one record a line, sorted by id, as canonical JSON. Its SHA-256 names the
dataset. ``manifest.json`` says what is in it and which dataset came before; ``labels.jsonl.dvc`` is
the pointer that DVC keeps in Git.

A line: ``id``, ``label``, ``split`` (``train`` or ``holdout``, by a hash of the id, so that a
record stays where it is in every later dataset), ``prediction``, ``confidence``, ``version``,
``slice``, ``predicted_at``, ``uri``, ``image`` (``sha256``, ``of`` what: the image's bytes, or
its kept ``thumbnail``; and ``why`` the bytes were not hashed), ``drawn`` and ``inclusion`` (how it
was sampled), ``suspect`` (why its label may be wrong), ``model``, ``deployment``, and ``sha256`` of
all that.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.labelling.quality_values import LabelledRecord
from monitor.retraining.image_hashes import NO_IMAGE, ImageHash
from vigil.windows.sample import unit_hash

FORMAT = 2
HOLDOUT = 0.1
LABELS, MANIFEST, POINTER = "labels.jsonl", "manifest.json", "labels.jsonl.dvc"


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One labelled record of a dataset."""

    record: LabelledRecord
    uri: str = ""
    image: ImageHash = NO_IMAGE
    suspect: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """The files of a dataset, by name. ``sha256`` is that of ``labels.jsonl``."""

    sha256: str
    items: int
    files: Mapping[str, bytes]
    about: Mapping[str, Any]


def dataset(
    items: Iterable[Item],
    *,
    model: str,
    deployment: str,
    parent: str | None,
    class_names: Sequence[str] = (),
) -> Dataset:
    """Freeze these records; of two with one id, the first.

    Args:
        parent: the SHA-256 of the dataset before it.
    """
    lines: dict[str, dict[str, Any]] = {}
    for item in items:
        lines.setdefault(item.record.record_id, _line(item, model, deployment))
    ordered = [lines[key] for key in sorted(lines)]
    labels = b"".join(canonical(line) + b"\n" for line in ordered)
    sha256 = hashlib.sha256(labels).hexdigest()
    about = {
        "format": FORMAT,
        "model": model,
        "deployment": deployment,
        "sha256": sha256,
        "parent": parent,
        "items": len(ordered),
        "files": {LABELS: {"sha256": sha256, "bytes": len(labels)}},
        "class_names": list(class_names),
        "classes": _counted(str(line["label"]) for line in ordered),
        "splits": _counted(line["split"] for line in ordered),
        "drawn": _counted(line["drawn"] for line in ordered),
        "slices": _counted(
            f"{key}={value}" for line in ordered for key, value in line["slice"].items()
        ),
        "images": _counted(line["image"]["of"] or "none" for line in ordered),
        "suspect": sum(bool(line["suspect"]) for line in ordered),
    }
    files = {
        LABELS: labels,
        MANIFEST: json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n",
        POINTER: pointer(labels),
    }
    return Dataset(sha256=sha256, items=len(ordered), files=files, about=about)


def canonical(value: Mapping[str, Any]) -> bytes:
    """JSON that is the same for the same value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def pointer(labels: bytes) -> bytes:
    """What ``dvc add labels.jsonl`` would leave beside it."""
    digest = hashlib.md5(labels, usedforsecurity=False).hexdigest()
    text = f"outs:\n- md5: {digest}\n  size: {len(labels)}\n  hash: md5\n  path: {LABELS}\n"
    return text.encode()


def without(labels: bytes, record_id: str) -> bytes | None:
    """The lines without one record's; None where it has none."""
    lines = labels.splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["id"] != record_id]
    return None if len(kept) == len(lines) else b"".join(kept)


def _line(item: Item, model: str, deployment: str) -> dict[str, Any]:
    one = item.record
    line = {
        "id": one.record_id,
        "label": one.label,
        "split": "holdout" if unit_hash(one.record_id) < HOLDOUT else "train",
        "prediction": one.prediction,
        "confidence": round(one.confidence, 6),
        "version": one.version,
        "slice": dict(sorted(one.cell.items())),
        "predicted_at": one.predicted_at.isoformat(),
        "uri": item.uri,
        "image": {
            "sha256": item.image.sha256,
            "of": item.image.of,
            "why": item.image.why,
        },
        "drawn": one.drawn.value,
        "inclusion": round(one.inclusion, 9),
        "suspect": list(item.suspect),
        "model": model,
        "deployment": deployment,
    }
    return line | {"sha256": hashlib.sha256(canonical(line)).hexdigest()}


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
