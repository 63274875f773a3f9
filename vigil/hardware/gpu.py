"""GPUs through NVIDIA's management library (package ``nvidia-ml-py``, extra ``gpu``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

# Clocks held down by heat or by the power supply; the usual power cap is no fault.
_SLOWED = 0x8 | 0x20 | 0x40 | 0x80


class GpuReader:
    """Readings of the GPUs that this process may use, as one: the mean utilisation, the fullest
    memory, power and errors together, the hottest, and whether any is slowed down.

    Args:
        nvml: the library's functions; by default ``pynvml``, where it is installed.
        visible: as ``CUDA_VISIBLE_DEVICES``; "" for all. Parts of a GPU (MIG) count as all.

    ``problem`` says why there are no readings: no library, no driver, no GPU.
    """

    def __init__(self, nvml: Any = None, *, visible: str | None = None) -> None:
        self.problem = ""
        self._handles: list[Any] = []
        try:
            # Brought by the user, if at all: vigil itself needs numpy only.
            self._nvml = nvml if nvml is not None else import_module("pynvml")
        except ImportError:
            self.problem = "nvidia-ml-py is not installed (extra `gpu`)"
            return
        if visible is None:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        try:
            self._nvml.nvmlInit()
            self._handles = self._found(visible)
        except self._nvml.NVMLError as error:
            self.problem = f"no GPU can be read: {error}"
        else:
            self.problem = "" if self._handles else "no GPU is visible"

    def _found(self, visible: str) -> list[Any]:
        names = [name.strip() for name in visible.split(",") if name.strip()]
        every = [str(i) for i in range(self._nvml.nvmlDeviceGetCount())]
        if not names or any(name.startswith("MIG") for name in names):
            names = every
        found = []
        for name in names:
            if name.startswith("GPU-"):
                found.append(self._nvml.nvmlDeviceGetHandleByUUID(name))
            elif name in every:
                found.append(self._nvml.nvmlDeviceGetHandleByIndex(int(name)))
            else:
                # CUDA ignores what follows a device that is not there.
                break
        return found

    def read(self) -> dict[str, float]:
        """What can be read; nothing where there is no GPU. A reading that a GPU does not support is
        left out."""
        readings: dict[str, list[float]] = {}
        for handle in self._handles:
            for name, value in self._of_one(handle):
                readings.setdefault(name, []).append(value)
        return {name: _TOGETHER[name](values) for name, values in readings.items()}

    def _of_one(self, handle: Any) -> list[tuple[str, float]]:
        found = []
        for name, ask in self._questions().items():
            try:
                found.append((name, float(ask(handle))))
            except self._nvml.NVMLError:
                continue
        return found

    def _questions(self) -> Mapping[str, Callable[[Any], float]]:
        nvml = self._nvml

        def memory(handle: Any) -> float:
            told = nvml.nvmlDeviceGetMemoryInfo(handle)
            return float(told.used) / float(told.total)

        def slowed(handle: Any) -> float:
            return float(bool(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle) & _SLOWED))

        def errors(handle: Any) -> float:
            kind, since = nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC
            return float(nvml.nvmlDeviceGetTotalEccErrors(handle, kind, since))

        return {
            "gpu_utilisation": lambda h: nvml.nvmlDeviceGetUtilizationRates(h).gpu / 100.0,
            "gpu_memory": memory,
            "gpu_power_w": lambda h: nvml.nvmlDeviceGetPowerUsage(h) / 1000.0,
            "gpu_temperature_c": lambda h: nvml.nvmlDeviceGetTemperature(
                h, nvml.NVML_TEMPERATURE_GPU
            ),
            "gpu_ecc_errors": errors,
            "gpu_throttled": slowed,
        }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


_TOGETHER: Mapping[str, Callable[[list[float]], float]] = {
    "gpu_utilisation": _mean,
    "gpu_memory": max,
    "gpu_power_w": sum,
    "gpu_temperature_c": max,
    "gpu_ecc_errors": sum,
    "gpu_throttled": max,
}
