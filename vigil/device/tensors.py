"""Torch as the caller brought it. vigil never imports it: whoever has a tensor has torch."""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A ``torch.Tensor``; its shape and type stand in the docstrings."""


def torch() -> Any:
    """The module. Call it only where a tensor was seen."""
    return sys.modules["torch"]


def is_tensor(value: Any) -> bool:
    module = sys.modules.get("torch")
    return module is not None and isinstance(value, module.Tensor)


def product(left: Tensor, right: Tensor) -> Tensor:
    """The matrix product of float32 tensors in full precision, also where the caller lets torch
    use TF32 (10 bits), which would move a Fourier feature by a hundredth."""
    if _is_reduced():
        return (left.double() @ right.double()).float()
    return left @ right


def _is_reduced() -> bool:
    backends = torch().backends
    said = getattr(backends.cuda.matmul, "fp32_precision", None)
    if said is None:  # before torch 2.9
        return bool(backends.cuda.matmul.allow_tf32)
    if said == "none":
        said = getattr(backends, "fp32_precision", "none")
    return said not in ("none", "ieee")
