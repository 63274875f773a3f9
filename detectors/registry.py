"""Detectors by name. Each registers itself; ``detectors.methods`` is read when first asked."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from detectors.detector import Detector, Takes

AnyDetector = Detector[Any]
C = TypeVar("C", bound=type)

_classes: dict[str, type] = {}


def register(cls: C) -> C:
    """Make a class known by its ``name``; users' own detectors register the same way.

    Raises:
        ValueError: the name is taken by another class.
    """
    name = str(cls.name)  # type: ignore[attr-defined]  # every detector has one; checked by tests
    known = _classes.get(name)
    if known is not None and (known.__module__, known.__qualname__) != (
        cls.__module__,
        cls.__qualname__,
    ):
        raise ValueError(f"detector {name!r}: already registered by {known.__module__}")
    _classes[name] = cls
    return cls


def names(takes: Takes | None = None) -> tuple[str, ...]:
    """All names, or those of the detectors that take such samples."""
    _load()
    found: dict[str, Any] = dict(_classes)
    return tuple(sorted(n for n, cls in found.items() if takes is None or cls.takes is takes))


def class_of(name: str) -> Callable[..., AnyDetector]:
    """The class of a name.

    Raises:
        KeyError: no such detector; the message lists those that there are.
    """
    _load()
    if name not in _classes:
        raise KeyError(f"no detector {name!r}; there are {', '.join(sorted(_classes))}")
    return _classes[name]


def get(name: str, **parameters: Any) -> AnyDetector:
    """A detector by name, with its constructor's parameters.

    Raises:
        KeyError: no such detector.
        TypeError: it has no such parameter.
    """
    return class_of(name)(**parameters)


@cache
def _load() -> None:
    package = importlib.import_module("detectors.methods")
    for found in pkgutil.walk_packages(package.__path__, "detectors.methods."):
        importlib.import_module(found.name)
