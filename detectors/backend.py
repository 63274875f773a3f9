"""The few array operations that heavy kernels need, on NumPy or, where asked, on torch.

``backend(None)`` is NumPy with its BLAS and always there; ``backend("cpu")`` and
``backend("cuda")`` are torch, which is optional and imported only then. Operators (``@``, ``-=``,
slices) are common to both kinds of arrays, so that a kernel is written once.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = Any
"""A NumPy array or a torch tensor."""


class Backend(Protocol):
    """What the two differ in. ``tile``: rows of a square tile that suit the device."""

    tile: int

    def put(self, values: NDArray[Any]) -> Array:
        """A copy on the device, of the same type."""

    def zeros(self, shape: tuple[int, ...]) -> Array:
        """Float64 zeros on the device."""

    def like(self, labels: Array, values: Array) -> Array:
        """``labels`` as numbers of the type of ``values``."""

    def positive(self, values: Array) -> Array:
        """Negative values to zero, in place."""

    def exp(self, values: Array) -> Array:
        """In place."""

    def sqrt(self, values: Array) -> Array:
        """In place."""

    def clear_diagonal(self, values: Array) -> None:
        """Zeros on the diagonal, in place."""

    def total(self, values: Array) -> Array:
        """Column sums, (n, m) to (m,), accumulated in float64."""

    def get(self, values: Array) -> NDArray[np.float64]:
        """Back as a NumPy array."""


class _Numpy:
    tile = 1024

    def put(self, values: NDArray[Any]) -> Array:
        return values

    def zeros(self, shape: tuple[int, ...]) -> Array:
        return np.zeros(shape)

    def like(self, labels: Array, values: Array) -> Array:
        return labels.astype(values.dtype)

    def positive(self, values: Array) -> Array:
        return np.maximum(values, 0.0, out=values)

    def exp(self, values: Array) -> Array:
        return np.exp(values, out=values)

    def sqrt(self, values: Array) -> Array:
        return np.sqrt(values, out=values)

    def clear_diagonal(self, values: Array) -> None:
        np.fill_diagonal(values, 0.0)

    def total(self, values: Array) -> Array:
        return values.sum(axis=0, dtype=np.float64)

    def get(self, values: Array) -> NDArray[np.float64]:
        return np.asarray(values, np.float64)


class _Torch:
    def __init__(self, torch: Any, device: str) -> None:
        self._torch, self._device = torch, device
        self.tile = 8192 if device.startswith("cuda") else 1024

    def put(self, values: NDArray[Any]) -> Array:
        return self._torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        return self._torch.zeros(shape, dtype=self._torch.float64, device=self._device)

    def like(self, labels: Array, values: Array) -> Array:
        return labels.to(values.dtype)

    def positive(self, values: Array) -> Array:
        return values.clamp_(min=0.0)

    def exp(self, values: Array) -> Array:
        return values.exp_()

    def sqrt(self, values: Array) -> Array:
        return values.sqrt_()

    def clear_diagonal(self, values: Array) -> None:
        values.fill_diagonal_(0.0)

    def total(self, values: Array) -> Array:
        return values.sum(dim=0, dtype=self._torch.float64)

    def get(self, values: Array) -> NDArray[np.float64]:
        return np.asarray(values.cpu().numpy(), np.float64)


def backend(device: str | None = None) -> Backend:
    """NumPy for None, else torch on that device (``"cpu"``, ``"cuda"``, ``"cuda:1"``).

    Raises:
        ImportError: torch was asked for and is not installed.
        RuntimeError: torch has no such device.
    """
    if device is None:
        return _Numpy()
    import torch

    torch.empty(0, device=device)
    return _Torch(torch, device)
