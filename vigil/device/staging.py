"""The blocks of a tap: filled by the caller's threads, emptied by the collector's."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from vigil.device.block import Block, Form, form_of
from vigil.device.call import DeviceCall
from vigil.device.capture import captures_left_alone
from vigil.device.lane import CudaLane, HostLane, Lane
from vigil.device.tensors import Tensor
from vigil.quality.schema import ImageForm

BLOCKS = 32
"""Blocks of one form at most. Two are enough where each batch is waited for; more are made where
the caller runs ahead of its device."""
DEVICE_BYTES = 256 * 2**20


class Staging:
    """Bounded memory on the devices. Nothing here waits: what there is no room for is refused.

    Args:
        host_too: whether tensors of the CPU are taken as well, for tests.
        max_bytes: of all blocks together; shapes beyond go the host's way.
    """

    def __init__(self, *, host_too: bool = False, max_bytes: int = DEVICE_BYTES) -> None:
        self._host_too, self._max_bytes = host_too, max_bytes
        self._lock = threading.Lock()
        self._lanes: dict[Any, Lane] = {}
        self._free: dict[Form, list[Block]] = {}
        self._made: Counter[Form] = Counter()
        self._filling: dict[Form, Block] = {}
        self._full: list[Block] = []
        self._bytes = 0

    def lane_of(self, device: Any) -> Lane | None:
        """The way to a device; None where its tensors are not measured there."""
        lane = self._lanes.get(device)
        if lane is None:
            if device.type == "cuda":
                lane = CudaLane(device)
            elif device.type == "cpu" and self._host_too:
                lane = HostLane(device)
            else:
                return None
            lane = self._lanes.setdefault(device, lane)
        return lane

    def put(
        self,
        call: DeviceCall,
        pieces: Mapping[str, Tensor],
        lane: Lane,
        image: ImageForm | None = None,
    ) -> str:
        """Copy a call's tensors into a block; ``image``: the form of its images.

        Returns:
            ``taken``, ``full`` (the collector is behind), or ``no_room`` (blocks of this form
            would be beyond the bound).
        """
        n = len(call.ids)
        form = form_of(pieces, call.version, n, image)
        with self._lock:
            block = self._filling.get(form)
            if block is not None and not block.has_room(n):
                self._full.append(self._filling.pop(form))
                block = None
            if block is None:
                free = self._free.setdefault(form, [])
                if free:
                    block = free.pop()
                elif self._made[form] == BLOCKS:
                    return "full"
                else:
                    block = self._make(form, lane)
                    if block is None:
                        return "full" if self._made[form] else "no_room"
                self._filling[form] = block
            block.put(call, pieces)
            if not block.has_room(1):
                self._full.append(self._filling.pop(form))
        return "taken"

    def _make(self, form: Form, lane: Lane) -> Block | None:
        if self._bytes + form.nbytes > self._max_bytes and not self._forget(form.nbytes):
            return None
        with captures_left_alone():
            block = Block(form, lane)
        self._made[form] += 1
        self._bytes += form.nbytes
        return block

    def _forget(self, size: int) -> bool:
        """Let go of free blocks until there is room for so many bytes; whether there is."""
        for form, free in self._free.items():
            while free and self._bytes + size > self._max_bytes:
                free.pop()
                self._made[form] -= 1
                self._bytes -= form.nbytes
        return self._bytes + size <= self._max_bytes

    @property
    def has_full(self) -> bool:
        return bool(self._full)

    def take(self, due: Callable[[DeviceCall], bool]) -> list[Block]:
        """The full blocks, and those whose first call is ``due``."""
        with self._lock:
            for form, block in list(self._filling.items()):
                if block.calls and due(block.calls[0]):
                    self._full.append(self._filling.pop(form))
            full, self._full = self._full, []
        return full

    def give_back(self, block: Block) -> None:
        """A block that was measured may be filled again."""
        with self._lock:
            block.clear()
            self._free[block.form].append(block)
