"""From the bytes of a slot back to a call."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import WireError
from vigil.ring import layout
from vigil.ring.calls import Call
from vigil.ring.mark import Mark
from vigil.ring.memory import Memory
from vigil.ring.reader import Slot
from vigil.signals.strips import Strips
from vigil.values.ids import Ids
from vigil.values.objects import Objects


class Decoder:
    """Reads slots. Each is copied out of the ring whole, and then looked at.

    Args:
        memory: the ring.
        prefix: what the ids of records start with where the caller gave none.
    """

    def __init__(self, memory: Memory, prefix: str) -> None:
        self._memory, self._prefix = memory, prefix
        self._heads: dict[bytes, dict[str, Any]] = {}

    def call(self, slot: Slot, mark: Mark) -> Call:
        """Raises:
        WireError: the slot holds something else than its description says.
        """
        try:
            return self._call(slot, self._memory.read(slot.at, slot.size), mark)
        except Exception as error:  # whatever another process wrote
            raise WireError(f"a slot that can't be read: {error!r}") from None

    def labels(self, slot: Slot) -> list[dict[str, Any]]:
        """Raises:
        WireError: not rows of labels.
        """
        try:
            return [
                {"id": str(row["id"]), **{k: row[k] for k in row if k != "id"}}
                for row in json.loads(_head(self._memory.read(slot.at, slot.size)))
            ]
        except Exception as error:
            raise WireError(f"labels that can't be read: {error!r}") from None

    def _call(self, slot: Slot, copy: memoryview, mark: Mark) -> Call:
        words = copy[: layout.SLOT_HEADER].cast("Q")
        head = _head(copy)
        described = self._heads.get(head)
        if described is None:
            if len(self._heads) > 256:
                self._heads.clear()
            described = self._heads[head] = json.loads(head)
        first, n = int(words[layout.FIRST]), slot.records
        if n > slot.size:
            raise ValueError(f"{n} records in {slot.size} bytes")
        time_s = float(copy[: layout.SLOT_HEADER].cast("d")[layout.TIME])
        arguments = _arguments(copy, described, words[layout.LENGTHS] & 0xFFFFFFFF)
        given = arguments.pop("ids", None)
        return Call(
            ids=Ids(self._prefix, first, n) if given is None else given,
            first=first,
            custom_ids=given is not None,
            time_s=time_s,
            version=str(described["version"]),
            arguments=arguments,
            mark=mark,
        )


def _head(copy: memoryview) -> bytes:
    length = copy[: layout.SLOT_HEADER].cast("Q")[layout.LENGTHS] >> 32
    return bytes(copy[layout.SLOT_HEADER : layout.SLOT_HEADER + length])


def _arguments(memory: memoryview, described: dict[str, Any], length: int) -> dict[str, Any]:
    parts = described["parts"]
    count = sum(part[1] == "n" for part in parts)
    numbers = iter(struct.unpack_from(f"={count}d", memory, described["numbers_at"]))
    texts_at = described["texts_at"]
    whole = bytes(memory[texts_at : texts_at + length]).decode("utf-8", "replace")
    texts = iter(whole.split("\0"))
    out: dict[str, Any] = {}
    for (*path, name), kind, *rest in parts:
        where: Any = out
        for step in path:
            where = where[step]
        if kind == "m":
            where[name] = {}
        elif kind == "l":
            where[name] = []
        elif kind == "n":
            where[name] = next(numbers)
        elif kind == "t":
            where[name] = [next(texts) for _ in range(rest[0])]
        elif kind in ("s", "j"):
            text = next(texts)
            where[name] = text if kind == "s" else json.loads(text)
        else:
            value = _array(memory, *rest[:3])
            if isinstance(where, list):
                where.append(value)
            else:
                where[name] = _strips(value, *rest[3:]) if len(rest) > 3 else value
    return _finished(out)


def _array(memory: memoryview, dtype: str, shape: list[int], at: int) -> NDArray[Any]:
    kind = np.dtype(dtype)
    if kind.kind not in "buif":
        # Of objects the bytes would be taken for addresses.
        raise ValueError(f"an array of {kind}")
    return np.ndarray(tuple(shape), kind, memory, at)


def _strips(pixels: NDArray[Any], band: int, height: int, width: int) -> Strips:
    return Strips(pixels=pixels, band=band, height=height, width=width)


def _finished(out: dict[str, Any]) -> dict[str, Any]:
    """Values as ``make_batch`` takes them."""
    boxes = out.get("detections")
    if isinstance(boxes, dict) and "records" in boxes:
        out["detections"] = Objects(**{**boxes, "records": int(boxes["records"])})
    if "picked" in out:
        picked, small = out.pop("picked"), out.pop("small")
        out["images"] = replace(out["images"], picked=picked, small=small)
    return out
