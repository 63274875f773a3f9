"""Tensors of a device, as the caller brought them. vigil never imports torch: whoever has one has.

Nothing here waits for a device.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rows_of_tensor(tensor: Any, rows: NDArray[np.int64]) -> Any:
    """Some rows of a tensor (n, ...), copied on its own device and in its stream's order.

    The numbers of the rows go there from pinned memory: a list of them, or a mask, would be waited
    for.

    Raises:
        RuntimeError: a CUDA graph is being recorded, which such a copy would spoil.
    """
    index = sys.modules["torch"].from_numpy(np.ascontiguousarray(rows))
    if tensor.is_cuda:
        if is_capturing():
            raise RuntimeError("rows of a tensor can't be chosen while a CUDA graph is recorded")
        index = index.pin_memory()
    return tensor.detach().index_select(0, index.to(tensor.device, non_blocking=True))


def is_capturing() -> bool:
    """Whether a CUDA graph is being recorded in this thread's current stream."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return bool(cuda is not None and cuda.is_available() and cuda.is_current_stream_capturing())
