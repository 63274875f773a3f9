"""Sampled records as Parquet parts, one part per ingest request.

A part is written before the rows that name it commit: a crash leaves an orphan part, never a row
without its part. Orphans are swept (see ``monitor.retention``).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, Protocol

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitor.store.sample_table import SampleFilter, most_frequent_shape, samples_in, to_table
from vigil.types import WHOLE, Slice
from vigil.windows.sample import Sample
from vigil.windows.window import Window

Kind = Literal["uniform", "informative"]


class Parts(Protocol):
    """Named immutable blobs: a folder, a bucket, a dictionary."""

    def put(self, name: str, raw: bytes) -> None: ...

    def get(self, name: str) -> bytes | None:
        """The bytes, or None where there is no such part."""
        ...

    def names(self) -> list[str]: ...

    def delete(self, name: str) -> None:
        """Nothing happens where it is gone already."""
        ...


class SampleStore:
    """The sampled records of all windows, in parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def write(self, part: str, windows: Sequence[Window]) -> bool:
        """Keep the samples of these windows as one part; False where they hold no record."""
        table = to_table(windows)
        if table is None:
            return False
        self._parts.put(part, _encode(table))
        return True

    def read(
        self,
        parts: Iterable[str],
        *,
        kind: Kind = "uniform",
        model: str | None = None,
        deployment: str | None = None,
        version: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        slice: Slice = WHOLE,
        limit: int = 100_000,
    ) -> Sample:
        """The sample of the union of parts: at most ``limit`` records, each id once.

        ``start`` (included) and ``end`` (not included) bound the time of a record. Parts that are
        gone, by retention, are left out. Where records have different shapes (another embedding
        dimension, say), those of the most frequent shape are returned.
        """
        wanted = SampleFilter(
            kind=kind,
            model=model,
            deployment=deployment,
            version=version,
            start=start,
            end=end,
            slice=slice,
        )
        found: list[Sample] = []
        for part in dict.fromkeys(parts):
            raw = self._parts.get(part)
            if raw is not None:
                found.extend(samples_in(_decode(raw), wanted))
        return Sample.merge(most_frequent_shape(found), limit)

    def keep(self, name: str, raw: bytes) -> None:
        """Keep a file that is no part beside them, such as a page about an incident. ``name`` does
        not end in ``.parquet``: no round of retention touches it."""
        self._parts.put(name, raw)

    def kept(self, name: str) -> bytes | None:
        """What ``keep`` was given; None where there is nothing."""
        return self._parts.get(name)

    def parts(self) -> list[str]:
        """The names of all parts, sorted."""
        return sorted(self._parts.names())

    def delete(self, part: str) -> None:
        """Remove a part; nothing happens where it is gone already."""
        self._parts.delete(part)

    def forget(self, part: str, record_id: str) -> int:
        """Remove one record from a part; returns the number of its rows there."""
        raw = self._parts.get(part)
        if raw is None:
            return 0
        table = _decode(raw)
        kept = table.filter(pc.not_equal(table.column("id"), record_id))
        if len(kept) == len(table):
            return 0
        if len(kept):
            self._parts.put(part, _encode(kept))
        else:
            self._parts.delete(part)
        return int(len(table) - len(kept))


class MemorySamples(SampleStore):
    """Samples in memory."""

    def __init__(self) -> None:
        super().__init__(_MemoryParts())


class FsspecSamples(SampleStore):
    """Samples in a folder or a bucket, by fsspec URL: ``var/samples``, ``s3://bucket/prefix``."""

    def __init__(self, url: str) -> None:
        super().__init__(_FsspecParts(url))


class _MemoryParts:
    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, name: str, raw: bytes) -> None:
        self._blobs[name] = raw

    def get(self, name: str) -> bytes | None:
        return self._blobs.get(name)

    def names(self) -> list[str]:
        return list(self._blobs)

    def delete(self, name: str) -> None:
        self._blobs.pop(name, None)


class _FsspecParts:
    def __init__(self, url: str) -> None:
        self._files, self._root = fsspec.core.url_to_fs(url)
        self._is_local = "file" in self._files.protocol
        self._files.makedirs(self._root, exist_ok=True)

    def put(self, name: str, raw: bytes) -> None:
        path = self._path(name)
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        if not self._is_local:  # an object store shows an object only when it is whole
            self._files.pipe_file(path, raw)
            return
        self._files.pipe_file(f"{path}.tmp", raw)
        self._files.mv(f"{path}.tmp", path)

    def get(self, name: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(self._path(name)))
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        self._files.invalidate_cache()
        start = len(self._root.rstrip("/")) + 1
        return [path[start:] for path in self._files.find(self._root) if path.endswith(".parquet")]

    def delete(self, name: str) -> None:
        try:
            self._files.rm_file(self._path(name))
        except FileNotFoundError:
            return

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def _encode(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=1, write_statistics=False)
    return sink.getvalue()


def _decode(raw: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(raw))
