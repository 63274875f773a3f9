"""Time of the tap's kernels against the bytes that they must move."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from bench.collector_gpu.resnet import CLASSES, WIDTH
from bench.collector_gpu.served import a_ruler
from vigil.device.block import Block, form_of, pieces_of
from vigil.device.call import DeviceCall
from vigil.device.flight import Segment, known_of, launch
from vigil.device.gathered import Gathered
from vigil.device.kernels import PLAIN, Kernels
from vigil.device.lane import CudaLane, HostLane
from vigil.measuring.measure import Measure
from vigil.windows.sample import unit_hashes

RECORDS, REPEATS, COPY_BYTES = 256, 20, 2**28
SIZES = (32, 16)


def a_block(device: torch.device, side: int) -> tuple[Block, int]:
    """A full block, and the bytes of the tensors that it was copied from."""
    kind = torch.float16 if device.type == "cuda" else torch.float32
    given = {
        "images": torch.randint(0, 256, (RECORDS, 3, side, side), dtype=torch.uint8, device=device),
        "embeddings": torch.randn((RECORDS, WIDTH), dtype=kind, device=device),
        "outputs": torch.randn((RECORDS, CLASSES), dtype=kind, device=device),
    }
    given["images"] = given["images"].contiguous(memory_format=torch.channels_last)
    pieces = pieces_of(**given, n=RECORDS, thumbnails=False)
    assert pieces is not None
    lane = CudaLane(device) if device.type == "cuda" else HostLane(device)
    block = Block(form_of(pieces, "v1", RECORDS), lane)
    call = DeviceCall(
        ids=[f"r{i}" for i in range(RECORDS)],
        first=0,
        custom_ids=False,
        time_s=1.7e9,
        version="v1",
        arguments={"metadata": {"camera": "c1"}},
    )
    block.put(call, pieces)
    return block, sum(one.numel() * one.element_size() for one in given.values())


def kernels(device: torch.device, side: int, using: Kernels = PLAIN) -> dict[str, Any]:
    """Of one block of 256 records: device time, bytes, and the time of copying so many bytes.

    The floor reads the block once and writes one row of sums; every kernel that reads an
    intermediate result again is above it.
    """
    block, given = a_block(device, side)
    lane = block.lane
    with lane.work(block.marks):
        known = known_of(block.calls, Measure().batch, lambda reason, n, error: None)
        assert known is not None
        batch, rows = known
        gathered = Gathered(a_ruler(), lane, SIZES, keep_thumbnails=False)
        segment = Segment(
            gathered=gathered,
            batch=batch,
            rows=rows,
            cells=gathered.rows_of(batch),
            hashes=unit_hashes(batch.ids),
        )

    def once() -> None:
        with lane.work(block.marks):
            lane.wait(launch(block, [segment], SIZES, "logits", using).event, 10.0)

    once()
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as seen:
        for _ in range(REPEATS):
            once()
    name = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    rows_of = sorted(seen.key_averages(), key=lambda row: -getattr(row, name))
    total_us = sum(getattr(row, name) for row in rows_of) / REPEATS
    moved = block.form.nbytes + 8 * gathered.sums.width
    floor_us = moved / copy_bytes_per_s(device) * 1e6
    return {
        "records": RECORDS,
        "bytes_given": given,
        "bytes_kept": block.form.nbytes,
        "bytes_moved_at_least": moved,
        "device_us": round(total_us, 1),
        "floor_us": round(floor_us, 2),
        "device_over_floor": round(total_us / floor_us, 1),
        "device_us_a_record": round(total_us / RECORDS, 3),
        "longest": {
            row.key[:80]: round(getattr(row, name) / REPEATS, 2)
            for row in rows_of[:8]
            if getattr(row, name)
        },
    }


def copy_bytes_per_s(device: torch.device) -> float:
    """Of one large copy on the device, counting what is read."""
    source = torch.zeros(COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took.append(time.perf_counter() - start)
    return COPY_BYTES / float(np.median(took))
