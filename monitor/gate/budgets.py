"""What an answer may take: seconds and money, against the control and against a budget. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from detectors.methods.labels.labelled import Floats
from detectors.methods.service.latency_quantiles import LatencyQuantiles, bounded_quantile
from monitor.gate.evaluation import COST, LATENCY, Evaluation
from monitor.gate.report import Check, Family, GateOutcome, judge
from monitor.settings.gate import Gate


def budget_checks(
    candidate: Evaluation, control: Evaluation | None, rules: Gate
) -> Iterator[Check]:
    """Latency and cost, where the records say so or a budget asks for them."""
    mine, theirs = candidate.latency_s, control.latency_s if control else None
    if mine is not None and theirs is not None:
        yield _latency_rise(theirs, mine, rules)
    if rules.latency_budget_s is not None:
        yield _latency_budget(mine, rules, rules.latency_budget_s)
    mine, theirs = candidate.cost, control.cost if control else None
    if mine is not None and theirs is not None:
        yield _cost_rise(theirs, mine, rules)
    if rules.cost_budget is not None:
        yield _cost_budget(mine, rules, rules.cost_budget)


def _latency_rise(control: Floats, candidate: Floats, rules: Gate) -> Check:
    """Of the quantile; bounds are exact for any distribution, at 95 %, and wide."""
    test = LatencyQuantiles(tolerance=rules.latency_rise, quantile=rules.latency_quantile)
    effect = test.compare(control, candidate).effect
    name = f"p{100 * rules.latency_quantile:g}"
    before, now = (float(np.quantile(one, rules.latency_quantile)) for one in (control, candidate))
    return Check(
        family=Family.LATENCY,
        name=f"{name} rise",
        outcome=judge(effect.low, effect.high, rules.latency_rise),
        text=f"{name} {_seconds(now)}, was {_seconds(before)}",
        value=effect.value,
        low=effect.low,
        high=effect.high,
        limit=rules.latency_rise,
        unit="rise of latency",
        records=len(candidate),
    )


def _latency_budget(latency: Floats | None, rules: Gate, budget_s: float) -> Check:
    name = f"p{100 * rules.latency_quantile:g} budget"
    if latency is None:
        return _missing(Family.LATENCY, name, LATENCY, budget_s, "s")
    value, low, high = bounded_quantile(
        np.sort(latency), rules.latency_quantile, 2.0 * rules.error_rate
    )
    return Check(
        family=Family.LATENCY,
        name=name,
        outcome=judge(low, high, budget_s),
        text=f"{_seconds(value)} of {_seconds(budget_s)}",
        value=value,
        low=low,
        high=high,
        limit=budget_s,
        unit="s",
        records=len(latency),
    )


def _cost_rise(control: Floats, candidate: Floats, rules: Gate) -> Check:
    """Ratio of the means less one, on the same records; bounds by the delta method."""
    was, now, n = float(control.mean()), float(candidate.mean()), len(candidate)
    if was <= 0.0:
        rise, reach = (0.0, 0.0) if now <= 0.0 else (np.inf, 0.0)
    else:
        rise = now / was - 1.0
        rest = candidate - (1.0 + rise) * control
        spread = float(rest.std(ddof=1)) / np.sqrt(n) / was if n > 1 else np.inf
        reach = float(norm.isf(rules.error_rate)) * spread
    return Check(
        family=Family.COST,
        name="cost rise",
        outcome=judge(rise - reach, rise + reach, rules.cost_rise),
        text=f"{now:.4g} an answer, was {was:.4g}",
        value=rise,
        low=rise - reach,
        high=rise + reach,
        limit=rules.cost_rise,
        unit="rise of cost",
        records=n,
    )


def _cost_budget(cost: Floats | None, rules: Gate, budget: float) -> Check:
    if cost is None:
        return _missing(Family.COST, "cost budget", COST, budget, "an answer")
    n, value = len(cost), float(cost.mean())
    spread = float(cost.std(ddof=1)) / np.sqrt(n) if n > 1 else np.inf
    reach = float(norm.isf(rules.error_rate)) * spread
    return Check(
        family=Family.COST,
        name="cost budget",
        outcome=judge(value - reach, value + reach, budget),
        text=f"{value:.4g} of {budget:.4g} an answer",
        value=value,
        low=value - reach,
        high=value + reach,
        limit=budget,
        unit="an answer",
        records=n,
    )


def _missing(family: Family, name: str, column: str, limit: float, unit: str) -> Check:
    text = f"a budget is set, and the candidate has no column {column}"
    return Check(
        family=family,
        name=name,
        outcome=GateOutcome.INCONCLUSIVE,
        text=text,
        limit=limit,
        unit=unit,
    )


def _seconds(value: float) -> str:
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"
