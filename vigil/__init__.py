"""vigil beside your model: ``from vigil import Tap``.

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vigil.errors import VigilError
    from vigil.measuring.batch import RecordBatch, make_batch
    from vigil.measuring.own_signals import signal
    from vigil.pipeline.recorder import Recorder
    from vigil.tap import Tap
    from vigil.types import Effect, ModelRef, Slice, Verdict
    from vigil.windows.window import Window

__all__ = [
    "Effect",
    "ModelRef",
    "RecordBatch",
    "Recorder",
    "Slice",
    "Tap",
    "Verdict",
    "VigilError",
    "Window",
    "make_batch",
    "signal",
]

_HOME = {
    "Effect": "vigil.types",
    "ModelRef": "vigil.types",
    "RecordBatch": "vigil.measuring.batch",
    "Recorder": "vigil.pipeline.recorder",
    "Slice": "vigil.types",
    "Tap": "vigil.tap",
    "Verdict": "vigil.types",
    "VigilError": "vigil.errors",
    "Window": "vigil.windows.window",
    "make_batch": "vigil.measuring.batch",
    "signal": "vigil.measuring.own_signals",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vigil' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
