"""The SHA-256 of each image of a dataset: of its bytes, else of the thumbnail that was kept.

A uri comes from whoever records predictions. So only those are read that lie where the settings
say that images are; anything else would let a caller have the service read its own files.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import numpy as np

from monitor.labelling import pictures
from monitor.store.samples import SampleStore
from vigil.clock import Clock, SystemClock

MOST_BYTES = 64 * 2**20
MOST_IMAGES = 20_000
MOST_SECONDS = 60.0
_AT_ONCE = 8
_CHUNK = 2**20


class Of(StrEnum):
    """What was hashed: the bytes of the image, or the pixels of its thumbnail (uint8, h x w x c,
    row by row)."""

    IMAGE = "image"
    THUMBNAIL = "thumbnail"


class Why(StrEnum):
    """Why there is no hash of the image's bytes."""

    NO_URI = "no_uri"
    NOT_ALLOWED = "not_allowed"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageHash:
    """``sha256`` is None where there is neither; ``why`` is empty where the image was hashed."""

    sha256: str | None = None
    of: Of | None = None
    why: Why | None = Why.NO_URI


NO_IMAGE = ImageHash()


def image_hashes(
    uris: Mapping[str, str],
    batches: Mapping[str, str],
    samples: SampleStore,
    *,
    allowed: Sequence[str],
    clock: Clock | None = None,
) -> dict[str, ImageHash]:
    """A hash for each record.

    Args:
        uris: where the image of each record is; empty where nobody said.
        batches: the label batch that each record was picked in: its thumbnails are kept.
        samples: where they are kept.
        allowed: places, as beginnings of uris or paths, that images may be read from.
    """
    clock = clock or SystemClock()
    until = clock.now().timestamp() + MOST_SECONDS
    wanted = [record for record in sorted(uris) if is_within(uris[record], allowed)]

    def hashed(record: str) -> ImageHash:
        if clock.now().timestamp() > until:
            return ImageHash(why=Why.TOO_MANY)
        return hash_of(uris[record])

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = dict(zip(wanted, pool.map(hashed, wanted[:MOST_IMAGES]), strict=False))
    for record, uri in uris.items():
        why = Why.NO_URI if not uri else Why.NOT_ALLOWED
        found.setdefault(record, ImageHash(why=Why.TOO_MANY if record in wanted else why))
    return found | _thumbnails(found, batches, samples)


def hash_of(uri: str) -> ImageHash:
    """Of what lies there, at most 64 MiB, read piece by piece."""
    import fsspec

    digest, size = hashlib.sha256(), 0
    try:
        with fsspec.open(uri, "rb") as file:
            while piece := file.read(_CHUNK):
                size += len(piece)
                if size > MOST_BYTES:
                    return ImageHash(why=Why.TOO_LARGE)
                digest.update(piece)
    except Exception:  # storages raise what they like; none of it may stop a dataset
        return ImageHash(why=Why.UNREADABLE)
    if not size:
        return ImageHash(why=Why.UNREADABLE)
    return ImageHash(sha256=digest.hexdigest(), of=Of.IMAGE, why=None)


def is_within(uri: str, allowed: Iterable[str]) -> bool:
    """Whether a uri lies below one of these places: same scheme and host, and no way around."""
    if not uri or "::" in uri or "%" in uri or ".." in uri or "\x00" in uri:
        return False
    scheme, place = _place(uri)
    for one in allowed:
        known, root = _place(one)
        if scheme == known and place.startswith(root.rstrip("/") + "/"):
            return True
    return False


def _place(uri: str) -> tuple[str, str]:
    if "://" not in uri:
        return "file", posixpath.normpath(uri)
    url = urlsplit(uri)
    return url.scheme.lower(), posixpath.normpath(f"{url.netloc}{url.path}")


def _thumbnails(
    found: Mapping[str, ImageHash], batches: Mapping[str, str], samples: SampleStore
) -> dict[str, ImageHash]:
    """Of the records whose image could not be hashed, the kept thumbnail."""
    missing: dict[str, set[str]] = {}
    for record, one in found.items():
        if one.sha256 is None and record in batches:
            missing.setdefault(batches[record], set()).add(record)
    hashed: dict[str, ImageHash] = {}
    for batch, records in sorted(missing.items()):
        kept = pictures.of(samples, batch)
        if kept is None or not kept.has_pixels:
            continue
        for row, record in enumerate(kept.ids):
            if record in records:
                pixels = np.ascontiguousarray(kept.thumbnails[row]).tobytes()
                sha256 = hashlib.sha256(pixels).hexdigest()
                hashed[record] = ImageHash(sha256=sha256, of=Of.THUMBNAIL, why=found[record].why)
    return hashed
