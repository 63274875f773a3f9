"""The thumbnails and embeddings of a batch, kept beside the samples while its labels are awaited.

One file a batch. Queues get their PNGs from it, the console its thumbnails, and picking what was
picked before. It is deleted with the samples, and a record is struck from it when it is forgotten.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.store.samples import SampleStore
from vigil.values import files
from vigil.windows.sample import Sample

PIXELS, EMBEDDING = "pixels", "embedding"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pictures:
    """n records: ``ids``, ``thumbnails`` (n, h, w, c) with h = 0 where privacy keeps none,
    ``embedding`` (n, d), and ``files``: whole pictures as PNG, () where none are kept."""

    ids: tuple[str, ...]
    thumbnails: NDArray[np.uint8]
    embedding: NDArray[np.float16]
    files: tuple[bytes, ...] = ()

    @property
    def kind(self) -> str:
        """What of the records is kept."""
        return PIXELS if self.has_pixels else EMBEDDING

    @property
    def has_pixels(self) -> bool:
        return self.thumbnails.ndim == 4 and self.thumbnails.shape[1] > 0

    def png(self, record_id: str) -> bytes | None:
        """The whole picture where it is kept, else the thumbnail; None where there is none."""
        if not self.has_pixels or record_id not in self.ids:
            return None
        whole = self.files[self.ids.index(record_id)] if self.files else b""
        if whole:
            return whole
        from PIL import Image

        pixels = self.thumbnails[self.ids.index(record_id)]
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG")
        return out.getvalue()


def keep(samples: SampleStore, batch: str, picked: Sample) -> Pictures:
    """Keep what a batch's records look like; the same batch again replaces it."""
    pictures = Pictures(
        ids=picked.ids,
        thumbnails=picked.thumbnails,
        embedding=picked.embedding,
        files=picked.pictures,
    )
    write(samples, batch, pictures)
    return pictures


def of(samples: SampleStore, batch: str) -> Pictures | None:
    """None where they were deleted."""
    raw = samples.kept(_name(batch))
    if not raw:
        return None
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
        return Pictures(
            ids=tuple(str(one) for one in arrays["ids"]),
            thumbnails=arrays["thumbnails"],
            embedding=arrays["embedding"],
            files=files.from_arrays(arrays, "pictures", len(arrays["ids"])),
        )


def strike(samples: SampleStore, batch: str, record_ids: Sequence[str]) -> None:
    """Delete some records of a batch."""
    pictures = of(samples, batch)
    if pictures is None:
        return
    rows = [i for i, one in enumerate(pictures.ids) if one not in set(record_ids)]
    left = Pictures(
        ids=tuple(pictures.ids[i] for i in rows),
        thumbnails=pictures.thumbnails[rows],
        embedding=pictures.embedding[rows],
        files=files.some(pictures.files, rows),
    )
    write(samples, batch, left)


def delete(samples: SampleStore, batch: str) -> None:
    """Nothing happens where they are gone already."""
    samples.delete(_name(batch))


def write(samples: SampleStore, batch: str, pictures: Pictures) -> None:
    """Keep these; what the batch had before is replaced."""
    out = io.BytesIO()
    np.savez_compressed(
        out,
        ids=np.array(pictures.ids, dtype=np.str_),
        thumbnails=pictures.thumbnails,
        embedding=pictures.embedding,
        allow_pickle=False,
        **files.to_arrays(pictures.files, "pictures"),
    )
    samples.keep(_name(batch), out.getvalue())


def _name(batch: str) -> str:
    return f"labels/{batch}.npz"
