"""Being a good neighbour of someone who records a CUDA graph in another thread."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from functools import cache
from typing import Any

RELAXED = 2


@contextlib.contextmanager
def captures_left_alone() -> Iterator[None]:
    """Inside, this thread may query events and take memory while another records a CUDA graph.

    In CUDA's default mode such a call, from any thread, spoils a recording that is under way. The
    mode is the calling thread's own (``cuThreadExchangeStreamCaptureMode``), and is put back.
    Without a driver nothing happens.
    """
    exchange = _exchange()
    if exchange is None:
        yield
        return
    mode = ctypes.c_int(RELAXED)
    exchange(ctypes.byref(mode))
    try:
        yield
    finally:
        exchange(ctypes.byref(mode))


@cache
def _exchange() -> Any:
    try:
        return ctypes.CDLL("libcuda.so.1").cuThreadExchangeStreamCaptureMode
    except (OSError, AttributeError):
        return None
