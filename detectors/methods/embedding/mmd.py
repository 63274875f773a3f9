"""Maximum mean discrepancy in random Fourier features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.detector import ALPHA, Exactness
from detectors.kernel_sums import labellings, median_length2
from detectors.methods.embedding.of_rows import OfRows
from detectors.methods.embedding.rows import PERMUTATIONS, Floats, permuted_root
from detectors.methods.two_sample import Found
from detectors.registry import register

BATCH = 128


@register
class MMD(OfRows):
    """Maximum mean discrepancy of two samples of embeddings, in D random Fourier features.

    Statistic: with ``z(x) = sqrt(2 / D) [cos Wx, sin Wx]``, W (D / 2, d) from N(0, 1 / l^2), and
    the means z_x, z_y over (m, d) and (n, d) rows, the unbiased ``MMD^2 = |z_x - z_y|^2 -
    (1 - |z_x|^2) / (m - 1) - (1 - |z_y|^2) / (n - 1)``; l the median distance of the pooled rows
    unless given. It estimates MMD^2 of the Gaussian kernel, with an error of about 1 / sqrt D.

    Effect: root MMD, 0 where the unbiased square is negative; at most sqrt 2. 95 % interval: normal
    approximation of the square, the variance of its linear part plus that of the permuted values;
    the error of the features is not in it.

    Test: the rows' features change sides at random: exact for exchangeable rows, whatever the
    features are.

    Cost: O((m + n) D (d + permutations)) time, O((m + n) D) memory; 0.6 s for 2000 rows a side,
    d = 512, D = 512, 999 permutations, on one core.

    Not for: fewer than some hundred rows, where exact_mmd costs nothing; one component that moves
    among many, which score banks and mahalanobis see better.

    Errors: no data with fewer than 2 finite rows a side.

    Source: Gretton et al., A Kernel Two-Sample Test, JMLR 2012; Rahimi and Recht, Random Features
    for Large-Scale Kernel Machines, NIPS 2007.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the root MMD up to which drift does not matter.
        permutations: at least ``1 / alpha - 1``, else the test can't reject.
        features: D, even.
        bandwidth: l.
        seed: of the features and the permutations.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(500, 16)), rng.normal(0.4, 1.0, size=(500, 16))
        >>> print(MMD().compare(x, y).outcome)
        drifted
    """

    name: ClassVar[str] = "mmd"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "root MMD"
    needed = (2, 2)

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.15,
        permutations: int = PERMUTATIONS,
        features: int = 512,
        bandwidth: float | None = None,
        seed: int = 0,
    ) -> None:
        if features < 2 or features % 2:
            raise ValueError(f"features: expected an even number, found {features}")
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.permutations, self.features = permutations, features
        self.bandwidth, self.seed = bandwidth, seed

    def _found(self, before: Floats, now: Floats) -> Found:
        m, n = len(before), len(now)
        rng = np.random.default_rng(self.seed)
        rows = np.concatenate([before, now])
        z = fourier_features(rows, self.features, rng, self.bandwidth)
        labels = labellings(m, n, self.permutations, rng)
        apart = z @ (z[:m].mean(axis=0) - z[m:].mean(axis=0))
        linear = 4.0 * (apart[:m].var(ddof=1) / m + apart[m:].var(ddof=1) / n)
        return permuted_root(_squares(z, labels, m, n), float(linear))


def fourier_features(
    rows: Floats, features: int, rng: np.random.Generator, bandwidth: float | None = None
) -> NDArray[np.float64]:
    """``sqrt(2 / D) [cos Wx, sin Wx]`` of (N, d) rows, (N, D); the length is the median distance
    where no bandwidth is given."""
    length = bandwidth or median_length2(rows, rng) ** 0.5
    weights = rng.standard_normal((rows.shape[1], features // 2)) / length
    angle = (rows - rows.mean(axis=0)) @ weights
    waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(waves * np.sqrt(2.0 / features))


def _squares(z: Floats, labels: NDArray[np.bool_], m: int, n: int) -> Floats:
    """Unbiased MMD^2 of each labelling, (P,)."""
    mean = z.mean(axis=0)
    centred = (z - mean).astype(np.float32)
    out = []
    for start in range(0, len(labels), BATCH):
        # Sums to zero over both samples, so one side says all.
        total = (labels[start : start + BATCH].astype(np.float32) @ centred).astype(np.float64)
        own = ((mean + total / m) ** 2).sum(axis=1)
        other = ((mean - total / n) ** 2).sum(axis=1)
        apart = (total**2).sum(axis=1) * (1.0 / m + 1.0 / n) ** 2
        out.append(apart - (1.0 - own) / (m - 1) - (1.0 - other) / (n - 1))
    return np.concatenate(out)
