"""Guardrails: no slice worse than its reference by more than its margin.

Each slice has an e-process against ``current risk <= upper reference risk + margin`` (``risk``).
Over K slices the e-values E_k, with weights w_k summing to 1, are combined as

* ``combined = sum w_k E_k``: evidence that *some* slice crossed, an e-value itself;
* **e-Holm** (closed testing with weighted means): slice k is named where every set of slices that
  holds k has a mean of at least 1 / alpha. The probability of naming any slice wrongly is <= alpha;
* **e-BH**: the K* slices of largest ``K w_k E_k`` with K* the largest k such that the k-th is at
  least ``K / (k alpha)``. The expected share of wrong names among the named is <= alpha.

All hold under any dependence between slices, so overlapping slices may be given.

**When not to use it.** For continuous paging over years: e-processes from one start grow stale.
Use ``risk.RiskEvidence`` with its threshold there, and this for releases and one-off reports.

Source: Vovk and Wang, E-values: calibration, combination and applications, 2021; Wang and Ramdas,
False discovery rate control with e-values, 2022. Cost: O(K^2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.evidence.risk import risk_e_value, upper_risk
from vigil.types import Slice

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardrailFinding:
    """One slice. ``log_e``: evidence that it crossed; ``adjusted``: the same after e-Holm."""

    slice: Slice
    log_e: float
    adjusted: float
    risk: float
    bound: float
    units: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardrailReport:
    """``crossed`` by e-Holm (no wrong name, but for alpha), ``likely`` by e-BH; ``combined``: log
    evidence that some slice crossed. ``reason`` says it in a sentence."""

    crossed: tuple[Slice, ...]
    likely: tuple[Slice, ...]
    combined: float
    findings: tuple[GuardrailFinding, ...]
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GuardedSlice:
    """Losses (n,) in [0, 1] of one slice, as they came, and its reference: ``errors`` (the sum of
    losses) of ``labels``. A fixed ``share`` of predictions, or one for each, got labels."""

    slice: Slice
    losses: ArrayLike
    errors: float
    labels: float
    margin: float
    share: ArrayLike = 1.0
    least_share: float = 1.0


def guardrails(
    slices: Sequence[GuardedSlice],
    *,
    alpha: float = 0.01,
    weights: Mapping[Slice, float] | None = None,
) -> GuardrailReport:
    """Which slices crossed their guardrail.

    Args:
        slices: each once; a slice without labels, now or in the reference, can't be named.
        weights: of slices, scaled to sum to 1; equal where not stated.

    Raises:
        ValueError: weights that are negative, or losses outside [0, 1].
    """
    if not slices:
        return GuardrailReport(
            crossed=(), likely=(), combined=0.0, findings=(), reason="no slice is guarded"
        )
    bounds, logs, risks, units = [], [], [], []
    for one in slices:
        losses = np.asarray(one.losses, np.float64)
        bound = float(upper_risk(one.errors, one.labels)) + one.margin
        bounds.append(bound)
        logs.append(risk_e_value(losses, bound, share=one.share, least_share=one.least_share))
        weight = 1.0 / np.broadcast_to(np.asarray(one.share, np.float64), losses.shape)
        risks.append(float(losses @ weight / weight.sum()) if len(losses) else 0.0)
        units.append(len(losses))
    w = np.array([(weights or {}).get(one.slice, 1.0) for one in slices])
    if (w < 0).any() or w.sum() == 0:
        raise ValueError("guardrails: expected weights of 0 or more, not all 0")
    w = w / w.sum()
    log_e = np.array(logs)
    adjusted = e_holm(log_e, w)
    limit = -np.log(alpha)
    named = [one.slice for one, a in zip(slices, adjusted, strict=True) if a >= limit]
    likely = [one.slice for one, yes in zip(slices, e_bh(log_e, w, alpha), strict=True) if yes]
    findings = [
        GuardrailFinding(
            slice=one.slice,
            log_e=float(log_e[k]),
            adjusted=float(adjusted[k]),
            risk=risks[k],
            bound=bounds[k],
            units=units[k],
        )
        for k, one in enumerate(slices)
    ]
    findings.sort(key=lambda each: -each.log_e)
    if named:
        reason = f"crossed its guardrail: {', '.join(map(str, named))}"
    else:
        reason = f"none of {len(slices)} slices is known to have crossed its guardrail"
    with np.errstate(divide="ignore"):
        combined = float(np.logaddexp.reduce(log_e + np.log(w)))
    return GuardrailReport(
        crossed=tuple(named),
        likely=tuple(likely),
        combined=combined,
        findings=tuple(findings),
        reason=f"{reason} (at alpha = {alpha:g})",
    )


def e_holm(log_e: Floats, weights: Floats) -> Floats:
    """log of each e-value adjusted for all the others, (K,): the least weighted mean over the sets
    that hold it. Adding a smaller e-value lowers a mean, so the sets grow in rising order."""
    order = np.argsort(log_e)
    out = np.empty(len(log_e))
    for k in range(len(log_e)):
        if weights[k] == 0:
            out[k] = -np.inf
            continue
        others = order[order != k]
        others = others[weights[others] > 0]
        logs = np.concatenate([[log_e[k]], log_e[others]])
        w = np.concatenate([[weights[k]], weights[others]])
        sums = np.logaddexp.accumulate(logs + np.log(w))
        out[k] = float((sums - np.log(w.cumsum())).min())
    return out


def e_bh(log_e: Floats, weights: Floats, alpha: float) -> NDArray[np.bool_]:
    """Which hypotheses e-BH rejects, (K,)."""
    number = len(log_e)
    with np.errstate(divide="ignore"):
        scaled = log_e + np.log(number * weights)
    order = np.argsort(-scaled)
    needed = np.log(number / (np.arange(1, number + 1) * alpha))
    passed = np.flatnonzero(scaled[order] >= needed)
    out = np.zeros(number, bool)
    if len(passed):
        out[order[: passed[-1] + 1]] = True
    return out
