"""NVML as ``pynvml`` wraps it, strict: it refuses what the real library refuses.

It has no function that ``pynvml`` has not, wants to be initialised, and knows only its own handles.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pynvml


class Gpu:
    """One device. ``lacks``: functions that it does not support."""

    def __init__(self, *, lacks: tuple[str, ...] = (), **said: float) -> None:
        self.lacks = lacks
        self.said = {
            "use": 50,
            "used": 4e9,
            "total": 8e9,
            "milliwatts": 70_000,
            "celsius": 60,
            "errors": 0,
            "reasons": 0,
            **said,
        }


class StrictNvml:
    """``calls`` are the functions that were asked, in order."""

    NVMLError = pynvml.NVMLError

    def __init__(self, *gpus: Gpu, driver: bool = True) -> None:
        self._gpus, self._driver, self._is_ready = gpus, driver, False
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(pynvml, name)
        if not callable(real):
            return real

        def ask(*arguments: Any) -> Any:
            return self._ask(name, *arguments)

        return ask

    def _ask(self, name: str, *arguments: Any) -> Any:
        self.calls.append(name)
        if name == "nvmlInit":
            if not self._driver:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
            self._is_ready = True
            return None
        if not self._is_ready:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)
        if name == "nvmlDeviceGetCount":
            return len(self._gpus)
        if name == "nvmlDeviceGetHandleByIndex":
            (index,) = arguments
            if not 0 <= index < len(self._gpus):
                raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
            return self._gpus[index]
        if name == "nvmlDeviceGetHandleByUUID":
            if arguments != ("GPU-0",):
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
            return self._gpus[0]
        handle, *more = arguments
        if not isinstance(handle, Gpu):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        if name in handle.lacks:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return self._of(name, handle.said, more)

    def _of(self, name: str, said: dict[str, float], more: list[Any]) -> Any:
        match name, more:
            case "nvmlDeviceGetUtilizationRates", []:
                return SimpleNamespace(gpu=said["use"], memory=0)
            case "nvmlDeviceGetMemoryInfo", []:
                return SimpleNamespace(used=said["used"], total=said["total"])
            case "nvmlDeviceGetPowerUsage", []:
                return said["milliwatts"]
            case "nvmlDeviceGetTemperature", [pynvml.NVML_TEMPERATURE_GPU]:
                return said["celsius"]
            case "nvmlDeviceGetTotalEccErrors", [
                pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
                pynvml.NVML_VOLATILE_ECC,
            ]:
                return said["errors"]
            case "nvmlDeviceGetCurrentClocksThrottleReasons", []:
                return said["reasons"]
        raise AssertionError(f"{name}{tuple(more)} is not what NVML takes")
