"""How bad: from what happened, how widely, and how far beyond tolerance it surely is.

It rises where the *lower* bound of an effect is far beyond tolerance, and falls only where the
*upper* bound of every effect is no longer so: between the two it stays as it is.
"""

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
    AlertKind.LABELS_SILENT: (Severity.WARNING, Severity.WARNING, Severity.WARNING),
    AlertKind.VIGIL_SELF: (Severity.ERROR, Severity.ERROR, Severity.ERROR),
    AlertKind.SERVING_MISMATCH: (Severity.WARNING, Severity.WARNING, Severity.WARNING),
}


def severity_of(
    kind: AlertKind, slice: Slice, findings: Sequence[Finding], *, provisional: bool = False
) -> Severity:
    """The severity of an alert. *Far* is an effect whose lower bound is 3 tolerances or more.

    A provisional verdict counts one step less, though never below a warning.
    """
    far = any(each.size >= _FAR for each in findings)
    return _severity(kind, slice, far=far, provisional=provisional)


def severity_at_most(
    kind: AlertKind, slice: Slice, findings: Sequence[Finding], *, provisional: bool = False
) -> Severity:
    """The severity that these figures still allow, by the upper bounds of the effects. A finding
    without a figure allows the worst."""
    far = not findings or any(_may_be_far(each) for each in findings)
    return _severity(kind, slice, far=far, provisional=provisional)


def reweigh(
    current: Severity,
    kind: AlertKind,
    slice: Slice,
    looks: Sequence[Sequence[Finding]],
    *,
    provisional: bool = False,
) -> Severity:
    """The severity after looking again: each of ``looks`` must say the same for a change."""
    if not looks or any(not findings for findings in looks):
        return current
    surely = [severity_of(kind, slice, each, provisional=provisional) for each in looks]
    at_most = [severity_at_most(kind, slice, each, provisional=provisional) for each in looks]
    least = min(surely, key=lambda each: each.rank)
    most = max(at_most, key=lambda each: each.rank)
    if least.rank > current.rank:
        return least
    return most if most.rank < current.rank else current


def _may_be_far(finding: Finding) -> bool:
    if finding.effect is None:
        return True
    return finding.effect.high >= _FAR * finding.effect.tolerance


def _severity(kind: AlertKind, slice: Slice, *, far: bool, provisional: bool) -> Severity:
    moderate, distant, whole = _TABLE[kind]
    severity = whole if slice.is_whole else distant if far else moderate
    if provisional and severity.rank > Severity.WARNING.rank:
        severity = list(Severity)[severity.rank - 1]
    return severity
