"""Plays the library and the labelling loop, seed by seed."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from bench.actions.faults import library
from bench.actions.judge import judge
from bench.actions.learned import learn
from bench.actions.play import play
from bench.actions.relabel_loop import measure
from bench.actions.results import Kept

SEEDS = (11, 12)
"""Held out: while the service was mended, only seed 0 was looked at."""

RELABEL_SEEDS = range(10)


def play_library(kept: Kept, *, seeds: Sequence[int], only: Sequence[str] = ()) -> None:
    """Play what is not kept yet. ``only``: names or groups of faults; all where empty."""
    torch.set_num_threads(1)
    for seed in seeds:
        left = [
            fault
            for fault in library()
            if not kept.has(fault.name, seed)
            and (not only or fault.name in only or fault.group in only)
        ]
        if not left:
            continue
        with tempfile.TemporaryDirectory(prefix="vigil-actions-") as folder:
            began = time.process_time()
            learned = learn(seed, Path(folder))
            _say(f"seed {seed}: learnt in {time.process_time() - began:.0f} s of CPU")
            for fault in left:
                began = time.process_time()
                with tempfile.TemporaryDirectory(prefix="vigil-fault-") as place:
                    found = judge(fault, play(fault, learned, Path(place)), seed)
                kept.add(found)
                right = found.cause_is_right and found.action_is_right
                _say(
                    f"  {'right' if right else 'WRONG'}  {fault.name:<18} {found.cause:<17} "
                    f"{found.action:<9} {time.process_time() - began:5.1f} s"
                    + ("  HARMFUL" if found.harmful else "  missed" if found.missed else "")
                )


def run_relabel(kept: Kept, *, seeds: Sequence[int] = RELABEL_SEEDS) -> None:
    """Run the labelling loop of the seeds that are not kept yet."""
    torch.set_num_threads(1)
    done = {one.seed for one in kept.gains}
    for seed in seeds:
        if seed in done:
            continue
        gain = measure(seed)
        kept.gained(gain)
        _say(
            f"  relabel seed {seed}: {gain.before:.3f} -> picked {gain.picked:.3f}, "
            f"random {gain.random:.3f}"
        )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
