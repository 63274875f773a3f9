"""From what lies in a block to columns of signals, on its device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vigil.device.block import Block
from vigil.device.kernels import PLAIN, Kernels
from vigil.device.tensors import Tensor, torch
from vigil.signals.images import IMAGE_SIGNALS
from vigil.signals.predictions import OutputsAre


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Columns:
    """What was measured of n records, on the device.

    ``table`` float64 (n, signals), NaN where missing; ``classes`` int64 (n,), -1 where none;
    ``confidence`` float32 (n,); ``probabilities`` float32 (n, K), K may be 0; ``embedding``
    float32 (n, d) or None.
    """

    table: Tensor
    classes: Tensor
    confidence: Tensor
    probabilities: Tensor
    embedding: Tensor | None


def columns_of(
    block: Block,
    table: Tensor,
    names: Sequence[str],
    outputs_are: OutputsAre,
    kernels: Kernels = PLAIN,
) -> Columns:
    """Measure a block's records.

    Args:
        block: with n records.
        table: float64 (n, signals) with what the host knows; the rest is written into it.
        names: the columns of ``table``.
        outputs_are: what the outputs hold.
        kernels: what measures.
    """
    xp, n = torch(), block.filled
    bands, outputs, embedding = map(block.piece, ("bands", "outputs", "embeddings"))
    measured: dict[str, Tensor] = {}
    if bands is not None:
        measured.update(zip(IMAGE_SIGNALS, kernels.image_signals(bands).unbind(1), strict=True))
    missing = xp.full((n,), float("nan"), dtype=xp.float32, device=table.device)
    found = None if outputs is None else kernels.predictions(outputs, outputs_are)
    if found is not None:
        measured |= {name: getattr(found, name) for name in ("confidence", "entropy", "margin")}
    if embedding is not None:
        embedding = embedding.to(xp.float32)
        if "embedding_norm" in names:
            measured["embedding_norm"] = embedding.double().square().sum(dim=1).sqrt()
    for name, values in measured.items():
        if name in names:
            table[:, names.index(name)].copy_(values)
    none = xp.full((n,), -1, dtype=xp.int64, device=table.device)
    return Columns(
        table=table,
        classes=none if found is None else found.classes,
        confidence=missing if found is None else found.confidence,
        probabilities=missing[:, None][:, :0] if found is None else found.probabilities,
        embedding=embedding,
    )
