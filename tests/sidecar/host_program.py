"""An inference process: records until it is told to stop, and says how many so far.

``python host_program.py FOLDER VERSION BATCH PAUSE_S WINDOW_S``; it ends when its input does. Each
line of output: records handed over and not dropped so far, and the longest call yet in seconds.
"""

from __future__ import annotations

import select
import sys
import time

import numpy as np

from vigil import Tap


def main(folder: str, version: str, batch: int, pause_s: float, window_s: float) -> None:
    tap = Tap("reader", version, sidecar=folder, window_s=window_s, queue_bytes=4 * 2**20)
    outputs = np.full((batch, 10), 0.1, np.float32)
    embeddings = np.random.default_rng(0).normal(size=(batch, 64)).astype(np.float32)
    handed, longest = 0, 0.0
    while not select.select([sys.stdin], [], [], pause_s)[0]:
        started = time.perf_counter()
        tap.record(outputs=outputs, embeddings=embeddings, metadata={"site": "a"})
        longest = max(longest, time.perf_counter() - started)
        handed += batch
        sys.stdout.write(f"{handed - sum(tap.dropped.values())} {longest:.4f}\n")
        sys.stdout.flush()
    tap.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
