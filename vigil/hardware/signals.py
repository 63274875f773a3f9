"""The readings as signals: names, units and ranges."""

from __future__ import annotations

from vigil.types import Harm, Signal, SignalForm, SignalKind

_SHOWN = 1.0
"""A tolerance that no effect exceeds: such a reading explains incidents and opens none."""


def reading(name: str, unit: str, high: float, tolerance: float, text: str) -> Signal:
    """A reading of a machine or server, from 0 to ``high``, that is worse when it rises."""
    return Signal(
        name=name,
        kind=SignalKind.SERVICE,
        form=SignalForm.SCALAR,
        unit=unit,
        low=0.0,
        high=high,
        harm=Harm.HIGHER,
        tolerance=tolerance,
        description=text,
    )


HARDWARE_SIGNALS: tuple[Signal, ...] = (
    reading("gpu_utilisation", "share of time", 1.0, _SHOWN, "time in which a kernel ran"),
    reading("gpu_memory", "share", 1.0, _SHOWN, "GPU memory that is used"),
    reading("gpu_power_w", "watts", 1500.0, _SHOWN, "power that the GPU draws"),
    reading("gpu_temperature_c", "degrees Celsius", 120.0, _SHOWN, "temperature of the GPU"),
    reading(
        "gpu_ecc_errors",
        "errors",
        100.0,
        0.15,
        "memory errors not corrected since the driver began",
    ),
    reading("gpu_throttled", "share of records", 1.0, 0.15, "1 while heat or power slows the GPU"),
    reading("host_cpu", "share of time", 1.0, _SHOWN, "time in which the host's cores worked"),
    reading("host_memory", "share", 1.0, _SHOWN, "host memory that is not available"),
    reading("host_load", "processes a core", 16.0, _SHOWN, "load average of one minute, per core"),
)
