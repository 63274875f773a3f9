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
    """Reads slots. Everything is copied out of the ring.

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
            return self._call(slot, mark)
        except Exception as error:  # whatever another process wrote
            raise WireError(f"a slot that can't be read: {error!r}") from None

    def labels(self, slot: Slot) -> list[dict[str, Any]]:
        """Raises:
        WireError: not rows of labels.
        """
        try:
            return [
                {"id": str(row["id"]), **{k: row[k] for k in row if k != "id"}}
                for row in json.loads(self._head(slot))
            ]
        except Exception as error:
            raise WireError(f"labels that can't be read: {error!r}") from None

    def _head(self, slot: Slot) -> bytes:
        length = self._words(slot)[layout.LENGTHS] >> 32
        start = slot.at + layout.SLOT_HEADER
        return bytes(self._memory.bytes[start : start + length])

    def _words(self, slot: Slot) -> memoryview:
        return self._memory.words[slot.at >> 3 : (slot.at >> 3) + 8]

    def _call(self, slot: Slot, mark: Mark) -> Call:
        words = self._words(slot)
        head = self._head(slot)
        described = self._heads.get(head)
        if described is None:
            if len(self._heads) > 256:
                self._heads.clear()
            described = self._heads[head] = json.loads(head)
        first, n = int(words[layout.FIRST]), slot.records
        if n > words[layout.SIZE]:
            raise ValueError(f"{n} records in {words[layout.SIZE]} bytes")
        time_s = float(self._memory.times[(slot.at >> 3) + layout.TIME])
        arguments = self._arguments(slot, described, words[layout.LENGTHS] & 0xFFFFFFFF)
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

    def _arguments(self, slot: Slot, described: dict[str, Any], length: int) -> dict[str, Any]:
        parts = described["parts"]
        count = sum(part[1] == "n" for part in parts)
        memory = self._memory.bytes
        numbers = iter(struct.unpack_from(f"={count}d", memory, slot.at + described["numbers_at"]))
        texts_at = slot.at + described["texts_at"]
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
                value = self._array(slot, *rest[:3])
                if isinstance(where, list):
                    where.append(value)
                else:
                    where[name] = _strips(value, *rest[3:]) if len(rest) > 3 else value
        return _finished(out)

    def _array(self, slot: Slot, dtype: str, shape: list[int], at: int) -> NDArray[Any]:
        kind = np.dtype(dtype)
        if kind.kind not in "buif":
            # Of objects the bytes would be taken for addresses.
            raise ValueError(f"an array of {kind}")
        there: NDArray[Any] = np.ndarray(tuple(shape), kind, self._memory.bytes, slot.at + at)
        return there.copy()


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
