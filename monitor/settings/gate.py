"""Settings of a model's gate: what a candidate is held to before its release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from monitor.settings.fields import Name, Positive, Seconds, Section, Share

Rise = Annotated[float, Field(ge=0, le=1000, strict=True)]
Quantile = Annotated[float, Field(gt=0, lt=1, strict=True)]


class Gate(Section):
    margin: Share = 0.01
    slice_margin: Share = 0.03
    by: tuple[Name, ...] = ()
    least_records: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 50
    error_rate: Quantile = 0.05
    calibration_margin: Share = 0.02
    scenarios: Path | None = None
    latency_quantile: Quantile = 0.95
    latency_rise: Rise = 0.1
    latency_budget_s: Seconds | None = None
    cost_rise: Rise = 0.1
    cost_budget: Positive | None = None
