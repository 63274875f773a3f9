"""How a signal is declared: its description, and the function that measures it.

::

    from vigil import signal

    @signal("glare", kind="image", unit="share of pixels", harm="higher")
    def glare(view):
        return (view.images > 250).mean(axis=(1, 2, 3))

The function gets a view of a batch of n records (``vigil.signals.view.View``) and returns n numbers
(``per="box"``: one for each box), NaN where missing, or None where what it needs was not given.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vigil.types import Harm, Per, Signal, SignalForm, SignalKind

SPREAD = "_spread"
"""What the name of the stream of a scalar's spread ends in."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

Measurement = Callable[[Any], Any]
"""From a view of a batch (``vigil.signals.view.View``) to numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """A signal and, once it decorates a function, how it is measured.

    Without a function its values are those that ``record`` is given.
    """

    signal: Signal

    def __call__(self, function: Measurement) -> Measurement:
        MEASURED[self.signal.name] = function
        return function


DECLARED: dict[str, Signal] = {}
"""Every signal that was declared in this process, the built-in ones first."""
MEASURED: dict[str, Measurement] = {}
"""How the declared ones are measured, where a function does."""


def signal(
    name: str,
    *,
    unit: str,
    low: float = 0.0,
    high: float = 1.0,
    harm: Harm | str = Harm.NEITHER,
    tolerance: float = 0.15,
    kind: SignalKind | str = SignalKind.PREDICTION,
    per: Per | str = Per.RECORD,
    description: str = "",
) -> Declared:
    """Declare a signal; decorate the function that measures it, or hand its values to ``record``.

    Args:
        name: small letters, digits and ``_``.
        unit: of its values, in words.
        low, high: its range. Bins without a baseline lie evenly in it.
        harm: ``lower`` or ``higher`` where that is worse, else ``neither``.
        tolerance: the change that never pages: a KS distance, 0 to 1.
        kind: what it says something about; a drift's cause is told by it.
        per: ``record`` or ``box``.
        description: what it is, in one line.

    Raises:
        ValueError: a name, range or word that can't be; a name that is declared otherwise already.
    """
    if not _NAME.fullmatch(name) or name.endswith(SPREAD):
        raise ValueError(
            f"signal: expected a name of small letters, digits and _, not ending in {SPREAD}, "
            f"found {name!r:.80}"
        )
    if not float("-inf") < low < high < float("inf"):
        raise ValueError(f"signal {name}: expected low < high, found {low} and {high}")
    if not 0.0 <= tolerance <= 1.0:
        raise ValueError(f"signal {name}: expected a tolerance in [0, 1], found {tolerance}")
    one = Signal(
        name=name,
        kind=SignalKind(kind),
        form=SignalForm.SCALAR,
        unit=unit,
        low=float(low),
        high=float(high),
        harm=Harm(harm),
        tolerance=float(tolerance),
        description=description or name.replace("_", " "),
        per=Per(per),
    )
    if DECLARED.setdefault(name, one) != one:
        raise ValueError(f"signal {name}: declared already, and otherwise")
    return Declared(signal=one)
