"""How bad: from what happened, how widely, and how far beyond tolerance it surely is."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.types import AlertKind, Finding, Severity
from vigil.types import Slice

_FAR = 3.0

# Kind: on a slice and moderate, on a slice and far beyond tolerance, on all traffic.
_TABLE: dict[AlertKind, tuple[Severity, Severity, Severity]] = {
    AlertKind.MODEL_REGRESSION: (Severity.ERROR, Severity.CRITICAL, Severity.CRITICAL),
    AlertKind.INPUT_FAULT: (Severity.WARNING, Severity.ERROR, Severity.CRITICAL),
    AlertKind.DOMAIN_SHIFT: (Severity.WARNING, Severity.WARNING, Severity.ERROR),
    AlertKind.NO_DATA: (Severity.WARNING, Severity.ERROR, Severity.ERROR),
    AlertKind.SERVICE_FAULT: (Severity.WARNING, Severity.ERROR, Severity.CRITICAL),
    AlertKind.UNKNOWN: (Severity.WARNING, Severity.WARNING, Severity.ERROR),
    AlertKind.BASELINE_DRIFT: (Severity.INFO, Severity.INFO, Severity.INFO),
    AlertKind.HARD_FAULT: (Severity.ERROR, Severity.ERROR, Severity.CRITICAL),
    AlertKind.ROLLBACK_REFUSED: (Severity.ERROR, Severity.ERROR, Severity.ERROR),
    AlertKind.ROLLBACK_UNPROVEN: (Severity.CRITICAL, Severity.CRITICAL, Severity.CRITICAL),
    AlertKind.VIGIL_SELF: (Severity.ERROR, Severity.ERROR, Severity.ERROR),
}


def severity_of(
    kind: AlertKind, slice: Slice, findings: Sequence[Finding], *, provisional: bool = False
) -> Severity:
    """The severity of an alert. *Far* is an effect whose lower bound is 3 tolerances or more.

    A provisional verdict counts one step less, though never below a warning.
    """
    moderate, far, whole = _TABLE[kind]
    if slice.is_whole:
        severity = whole
    else:
        severity = far if any(each.size >= _FAR for each in findings) else moderate
    if provisional and severity.rank > Severity.WARNING.rank:
        severity = list(Severity)[severity.rank - 1]
    return severity
