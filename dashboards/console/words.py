"""Numbers and times as people read them."""

from __future__ import annotations

import math
from datetime import datetime

STATUS_WORDS = {
    "healthy": "healthy",
    "drifted": "drifted",
    "inconclusive": "inconclusive",
    "no_data": "no data",
}
CAUSE_WORDS = {
    "input_fault": "input fault",
    "model_regression": "model regression",
    "domain_shift": "domain shift",
    "no_data": "no data",
    "service_fault": "service fault",
    "unknown": "cause not known",
    "baseline_drift": "drift from the baseline",
}


def plain(name: str) -> str:
    """``model_regression`` as ``model regression``."""
    if name == "latency_s":
        return "latency"
    return CAUSE_WORDS.get(name) or STATUS_WORDS.get(name) or name.replace("_", " ")


def duration(seconds: float | None) -> str:
    """``4.2 s``, ``38 s``, ``5 min 12 s``, ``3 h 05 min``, ``2 d 4 h``; a dash where not known."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    sign, s = ("−" if seconds < 0 else ""), abs(seconds)
    if s < 9.95:
        return f"{sign}{s:.1f} s"
    whole = round(s)
    if whole < 60:
        return f"{sign}{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{sign}{minutes} min" + (f" {rest} s" if rest and minutes < 10 else "")
    if whole < 86400:
        return f"{sign}{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{sign}{whole // 86400} d {whole % 86400 // 3600} h"


def ago(moment: datetime | None, now: datetime) -> str:
    """``12 s ago``; ``in 3 min`` where it lies ahead; ``never`` where there was none."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    rough = duration(float(round(seconds)) if abs(seconds) < 9.95 else seconds)
    rough = rough.replace(".0 s", " s")
    return f"in {rough.lstrip('−')}" if seconds < 0 else f"{rough} ago"


def clock(moment: datetime | None) -> str:
    """Time of day in UTC, to the second."""
    return "–" if moment is None else moment.strftime("%H:%M:%S")


def stamp(moment: datetime | None) -> str:
    """Date and time in UTC."""
    return "–" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def number(value: float | None, digits: int = 3) -> str:
    """Up to three significant digits, thousands apart; a dash where not known."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-4:
        text = f"{value:.{digits - 1}e}"
        mantissa, exponent = text.split("e")
        return f"{mantissa}×10{_superscript(int(exponent))}".replace("-", "−")
    places = max(0, digits - 1 - math.floor(math.log10(size)))
    text = f"{value:,.{places}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def count(value: float | None) -> str:
    """``1,234``, ``56.7 k``, ``8.9 M``."""
    if value is None:
        return "–"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scale = 1e3 if unit == "k" else limit
            return f"{value / scale:.1f} {unit}"
    return f"{value:,.0f}"


def share(value: float | None) -> str:
    """A share as a percentage."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:.1f} %" if abs(value) < 0.9995 else f"{100 * value:.0f} %"


def times(ratio: float | None) -> str:
    """``2.8×``."""
    if ratio is None or not math.isfinite(ratio):
        return "–"
    return f"{ratio:.1f}×" if ratio < 99.95 else "99×+"


def heat(evidence: float | None, threshold: float) -> float:
    """How far evidence is on its way to a page, 0 to 1, on a logarithmic scale.

    ``log(1 + e) / log(1 + A)``, held to 1 at the threshold A.
    """
    if evidence is None or not evidence > 0 or threshold <= 0:
        return 0.0
    if math.isinf(evidence):
        return 1.0
    return min(1.0, math.log1p(evidence) / math.log1p(threshold))


def _superscript(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
