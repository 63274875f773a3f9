"""Where picked images wait for people: a folder (the default), or memory.

The folder form writes ``{folder}/{name}/items.jsonl`` and ``images/0001.png`` ... for the
thumbnails that privacy let through. A batch appears whole or not at all, and once: its name is
the action's id.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alerts.actions.relabel import Picked
from vigil.errors import VigilError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class LabelQueueError(VigilError):
    """A batch that could not be queued; nothing of it was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Queued:
    """``already``: a batch of that name was there and was left as it is."""

    location: str
    items: int
    images: int
    already: bool = False


class LabelQueue(Protocol):
    def put(
        self, name: str, items: Sequence[Picked], thumbnails: NDArray[np.uint8] | None
    ) -> Queued:
        """Queue a batch; the same name again changes nothing.

        Args:
            name: of the batch: letters, digits, ``._-``.
            items: best first.
            thumbnails: (n, h, w, c) of the sample the items' ``row`` points into, or None.

        Raises:
            LabelQueueError: it could not be queued.
        """
        ...


class MemoryLabelQueue:
    """For tests and dry runs."""

    def __init__(self) -> None:
        self.batches: dict[str, tuple[Picked, ...]] = {}

    def put(
        self, name: str, items: Sequence[Picked], thumbnails: NDArray[np.uint8] | None
    ) -> Queued:
        _check(name)
        already = name in self.batches
        held = self.batches.setdefault(name, tuple(items))
        images = len(held) if _has_pixels(thumbnails) else 0
        return Queued(location=f"memory:{name}", items=len(held), images=images, already=already)


class FolderLabelQueue:
    """A folder per batch: ``items.jsonl`` and PNG images."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def put(
        self, name: str, items: Sequence[Picked], thumbnails: NDArray[np.uint8] | None
    ) -> Queued:
        target = self.folder / _check(name)
        if target.exists():
            return self._already(target)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self.folder))
        except OSError as error:
            raise LabelQueueError(f"{self.folder}: {error.strerror}") from None
        try:
            images = _write(fresh, items, thumbnails)
            fresh.chmod(0o755)
            fresh.rename(target)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if target.exists():
                return self._already(target)
            raise LabelQueueError(f"{target}: {error.strerror}") from None
        return Queued(location=str(target), items=len(items), images=images)

    @staticmethod
    def _already(target: Path) -> Queued:
        with (target / "items.jsonl").open(encoding="utf-8") as file:
            count = sum(1 for _ in file)
        images = len(list((target / "images").glob("*.png")))
        return Queued(location=str(target), items=count, images=images, already=True)


def _write(folder: Path, items: Sequence[Picked], thumbnails: NDArray[np.uint8] | None) -> int:
    from PIL import Image

    pictures = folder / "images"
    pictures.mkdir()
    with (folder / "items.jsonl").open("w", encoding="utf-8") as file:
        for item in items:
            plain = item.to_json()
            plain["image"] = None
            if thumbnails is not None and _has_pixels(thumbnails):
                plain["image"] = f"images/{item.rank:04d}.png"
                pixels = thumbnails[item.row]
                pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]
                Image.fromarray(np.ascontiguousarray(pixels)).save(folder / plain["image"])
            file.write(json.dumps(plain, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return len(items) if _has_pixels(thumbnails) else 0


def _has_pixels(thumbnails: NDArray[np.uint8] | None) -> bool:
    return thumbnails is not None and thumbnails.ndim == 4 and thumbnails.shape[1] > 0


def _check(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise LabelQueueError(f"batch name {name!r}: expected letters, digits and . _ -")
    return name
