"""Did the release do it? Two e-processes on traffic that is split at random.

Unit t (a session, a request, never parts of one) goes to the new version with probability pi:
A_t = 1. With its loss in [0, 1] and m_{t-1} the mean of all losses before, ::

    Z_t = (loss_t - m_{t-1}) (A_t / pi - (1 - A_t) / (1 - pi)),   E[Z_t | past] = new - old risk

*Rollback* bets against E[Z] <= 0 with ``prod (1 + lambda Z)``, *accept* against E[Z] >= margin with
``prod (1 + lambda (margin - Z))``, averaged over a grid of lambda, each clipped so that no factor
can be negative. The first to reach 1 / alpha decides and the test is over.

**Guarantee.** Each decision is wrong with probability <= alpha, whenever one looks, given only the
randomisation: seasons, drift and incidents that hit both versions are allowed.

**Without labels** (``CanaryOutputs``): bet on which version made an output,
``prod q_{t-1}(A | output) / P(A)``, with q a histogram over binned outputs learned from the past.
It says that outputs *differ*, not that they are worse, so it never rolls back by itself.

**When not to use it.** Where the split is not random, or one user's requests go to both versions;
where versions influence each other. By requests of one session it errs too often: use sessions,
with their mean loss.

Source: Waudby-Smith et al., Anytime-valid off-policy inference for contextual bandits, 2022;
Podkopaev and Ramdas, Sequential predictive two-sample and independence testing, 2023.
Cost: O(units x 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from vigil.errors import ShapeError, WireError
from vigil.windows import wire

Floats = NDArray[np.float64]

LAMBDAS = 2.0 ** -np.arange(3.0, 9.0)
STRENGTHS = np.array([20.0, 200.0, 2000.0])
_SAFE = 0.9
"""No factor falls below 1 - 0.9."""


class Decision(StrEnum):
    """What a canary test concludes; ``CONTINUE`` is no decision."""

    ACCEPT = "accept"
    ROLLBACK = "rollback"
    CONTINUE = "continue"


@dataclass(frozen=True, kw_only=True, slots=True)
class CanaryVerdict:
    """``rollback``, ``accept``: log evidence of each. ``difference``: new less old risk, an
    estimate without guarantee. ``units``: (old, new)."""

    decision: Decision
    reason: str
    rollback: float
    accept: float
    difference: float
    units: tuple[int, int]


class CanaryTest:
    """One release.

    Args:
        share: pi, the probability of the new version.
        margin: how much worse the new version may be and still be accepted; 0 never accepts
            an equal version.
        alpha: probability of each wrong decision.
    """

    def __init__(self, *, share: float, margin: float, alpha: float = 0.01) -> None:
        if not 0 < share < 1 or not 0 < alpha < 1 or not 0 <= margin <= 1:
            raise ValueError(
                "expected share and alpha in (0, 1) and margin in [0, 1], "
                f"found {share}, {alpha} and {margin}"
            )
        self.share, self.margin, self.alpha = share, margin, alpha
        self._log = np.zeros((2, len(LAMBDAS)))
        self._losses = np.zeros((2, 2))  # old, new: units, sum of losses
        self._verdict: CanaryVerdict | None = None

    def add(self, is_new: ArrayLike, loss: ArrayLike) -> CanaryVerdict:
        """Further units, in the order in which they are told.

        Args:
            is_new: (n,) of 0 and 1. loss: (n,) in [0, 1]; units without a finite loss are left out.

        Raises:
            ShapeError: of different lengths. ValueError: a loss outside [0, 1].
        """
        arm, losses = _units(is_new, loss)
        if self._verdict is not None:
            return self._verdict
        if len(losses) and not (losses.min() >= 0 and losses.max() <= 1):
            raise ValueError("canary: expected losses in [0, 1]")
        if len(losses):
            self._bet(arm, losses)
        return self.look()

    def _bet(self, arm: NDArray[np.bool_], losses: Floats) -> None:
        seen, total = self._losses.sum(axis=0)
        before = np.concatenate([[total + 0.5], total + 0.5 + losses[:-1].cumsum()])
        mean = before / (seen + 1.0 + np.arange(len(losses)))
        pi = self.share
        z = (losses - mean) * np.where(arm, 1.0 / pi, -1.0 / (1.0 - pi))
        lowest = np.minimum(-mean / pi, -(1.0 - mean) / (1.0 - pi))
        highest = np.maximum((1.0 - mean) / pi, mean / (1.0 - pi))
        worst = np.stack([-lowest, np.maximum(highest - self.margin, 1e-9)])
        size = np.minimum(LAMBDAS, _SAFE / worst[:, :, None])
        gain = np.stack([z, self.margin - z])[:, :, None]
        path = self._log[:, None, :] + np.log1p(size * gain).cumsum(axis=1)
        evidence = logsumexp(path, axis=2) - np.log(len(LAMBDAS))
        over = evidence >= -np.log(self.alpha)
        stop = int(np.argmax(over.any(axis=0))) if over.any() else len(losses) - 1
        self._log = path[:, stop]
        for side, mine in enumerate((~arm, arm)):
            chosen = losses[: stop + 1][mine[: stop + 1]]
            self._losses[side] += (len(chosen), chosen.sum())
        if over.any():
            self._verdict = self._decide(bool(over[0, stop]))

    def _decide(self, rollback: bool) -> CanaryVerdict:
        now = self.look()
        old, new = self._risks()
        if rollback:
            decision, claim = Decision.ROLLBACK, "the new version is worse"
        else:
            decision = Decision.ACCEPT
            claim = f"the new version is not worse by {self.margin:g} or more"
        reason = (
            f"{claim}: risk {new:.4f} against {old:.4f} over {now.units[1]} and {now.units[0]} "
            f"units, wrong with probability {self.alpha:g} at most"
        )
        return CanaryVerdict(
            decision=decision,
            reason=reason,
            rollback=now.rollback,
            accept=now.accept,
            difference=now.difference,
            units=now.units,
        )

    def look(self) -> CanaryVerdict:
        """How it stands."""
        if self._verdict is not None:
            return self._verdict
        evidence = logsumexp(self._log, axis=1) - np.log(len(LAMBDAS))
        old, new = self._risks()
        units = int(self._losses[0, 0]), int(self._losses[1, 0])
        return CanaryVerdict(
            decision=Decision.CONTINUE,
            reason=(
                f"evidence for rollback {np.exp(evidence[0]):.3g}, for acceptance "
                f"{np.exp(evidence[1]):.3g}; {1 / self.alpha:g} decides"
            ),
            rollback=float(evidence[0]),
            accept=float(evidence[1]),
            difference=new - old if min(units) else 0.0,
            units=units,
        )

    def _risks(self) -> tuple[float, float]:
        old, new = self._losses[:, 1] / np.maximum(self._losses[:, 0], 1.0)
        return float(old), float(new)

    def to_bytes(self) -> bytes:
        header = {
            "what": "canary",
            "share": self.share,
            "margin": self.margin,
            "alpha": self.alpha,
            "decided": self._verdict.decision.value if self._verdict else None,
        }
        return wire.pack(header, {"log": self._log, "losses": self._losses})

    @classmethod
    def from_bytes(cls, blob: bytes) -> CanaryTest:
        """Raises:
        WireError: damaged, or not a canary test.
        """
        header, arrays = wire.unpack(blob)
        if header.get("what") != "canary":
            raise WireError(f"expected canary, found {header.get('what')!r}")
        test = cls(share=header["share"], margin=header["margin"], alpha=header["alpha"])
        test._log, test._losses = arrays["log"].copy(), arrays["losses"].copy()
        if header["decided"] is not None:
            test._verdict = test._decide(header["decided"] == Decision.ROLLBACK.value)
        return test


class CanaryOutputs:
    """Do the two versions' outputs differ? For when no labels come.

    Args:
        share: pi. bins: number of bins of an output (predicted classes, or binned confidence).
        alpha: probability of calling equal outputs different.
    """

    def __init__(self, *, share: float, bins: int, alpha: float = 0.01) -> None:
        if not 0 < share < 1 or not 0 < alpha < 1 or bins < 2:
            raise ValueError(
                f"expected share and alpha in (0, 1) and 2 bins or more, "
                f"found {share}, {alpha} and {bins}"
            )
        self.share, self.alpha = share, alpha
        self._counts = np.zeros((2, bins))
        self._log = np.zeros(len(STRENGTHS))

    def add(self, is_new: ArrayLike, output: ArrayLike) -> float:
        """Further units: (n,) of 0 and 1, and (n,) bins. q is learned from earlier calls only,
        so call it often. Returns the log evidence; -log(alpha) says that outputs differ.

        Raises:
            ShapeError: of different lengths. ValueError: a bin that is not there.
        """
        arm, binned = _units(is_new, output)
        at = binned.astype(np.int64)
        bins = self._counts.shape[1]
        if len(at) and not (at.min() >= 0 and at.max() < bins):
            raise ValueError(f"canary: expected outputs in 0 to {bins - 1}")
        number = np.stack([np.bincount(at[arm == side], minlength=bins) for side in (False, True)])
        total = self._counts.sum(axis=0)[:, None] + STRENGTHS
        new = (self._counts[1][:, None] + self.share * STRENGTHS) / total
        gain = number[1] @ np.log(new / self.share)
        gain += number[0] @ np.log((1.0 - new) / (1.0 - self.share))
        self._log += gain
        self._counts += number
        return self.evidence

    @property
    def evidence(self) -> float:
        return float(logsumexp(self._log) - np.log(len(STRENGTHS)))

    @property
    def differs(self) -> bool:
        """Now; remember it, since evidence may fall again."""
        return self.evidence >= -float(np.log(self.alpha))

    def to_bytes(self) -> bytes:
        header = {"what": "canary_outputs", "share": self.share, "alpha": self.alpha}
        return wire.pack(header, {"counts": self._counts, "log": self._log})

    @classmethod
    def from_bytes(cls, blob: bytes) -> CanaryOutputs:
        """Raises:
        WireError: damaged, or not a canary's outputs.
        """
        header, arrays = wire.unpack(blob)
        if header.get("what") != "canary_outputs":
            raise WireError(f"expected canary_outputs, found {header.get('what')!r}")
        bins = arrays["counts"].shape[1]
        test = cls(share=header["share"], bins=bins, alpha=header["alpha"])
        test._counts, test._log = arrays["counts"].copy(), arrays["log"].copy()
        return test


def _units(is_new: ArrayLike, value: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    arm, values = np.asarray(is_new).astype(bool), np.asarray(value, np.float64)
    if values.ndim != 1 or arm.shape != values.shape:
        raise ShapeError("canary", expected=f"{arm.shape} values", found=str(values.shape))
    kept = np.isfinite(values)
    return arm[kept], values[kept]
