"""Whose records a ring holds, and how they are measured: all that the other side must know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from typing import Any, get_args, get_type_hints

from vigil.arguments import keys_of, name_of, seconds_of, whole_of
from vigil.build import NO_BUILD, Build
from vigil.errors import WireError
from vigil.signals.predictions import OutputsAre
from vigil.types import Signal


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """One boot of a tap; the fields are those of ``vigil.tap.Tap``. ``version`` is empty where only
    the calls know it."""

    model: str
    version: str
    deployment: str
    source: str
    boot: str
    keys: tuple[str, ...] = ()
    window_s: float = 60.0
    sample_size: int = 32
    thumbnails: bool = False
    outputs_are: OutputsAre = "probabilities"
    task: str = "classification"
    signals: tuple[str | Signal, ...] = ()
    plugins: tuple[str, ...] = ()
    build: Build = NO_BUILD
    picture_bytes: int = 0
    """Of a whole picture, at most; 0 where none is kept."""

    def to_bytes(self) -> bytes:
        plain: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["build"] = self.build.to_json()
        plain["signals"] = [
            one if isinstance(one, str) else {f.name: getattr(one, f.name) for f in fields(one)}
            for one in self.signals
        ]
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")

    @classmethod
    def from_bytes(cls, blob: bytes) -> Identity:
        """Raises:
        WireError: not what ``to_bytes`` wrote.
        """
        try:
            plain = json.loads(blob)
            if plain["outputs_are"] not in get_args(OutputsAre):
                raise ValueError(f"outputs_are: {plain['outputs_are']!r}")
            return cls(
                **{
                    what: name_of(what, plain[what])
                    for what in ("model", "deployment", "source", "boot")
                },
                version="" if plain["version"] == "" else name_of("version", plain["version"]),
                keys=keys_of(plain["keys"]),
                window_s=seconds_of("window_s", plain["window_s"]),
                sample_size=whole_of("sample_size", plain["sample_size"], least=0),
                thumbnails=bool(plain["thumbnails"]),
                outputs_are=plain["outputs_are"],
                task=str(plain["task"]),
                signals=tuple(map(_signal, plain["signals"])),
                plugins=tuple(map(str, plain["plugins"])),
                build=Build.from_json(plain["build"]),
                picture_bytes=whole_of("picture_bytes", plain["picture_bytes"], least=0),
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise WireError(f"not the identity of a ring: {error!r}") from None


def _signal(plain: str | Mapping[str, Any]) -> str | Signal:
    if isinstance(plain, str):
        return plain
    enums = _enums()
    values: dict[str, Any] = {
        name: enums[name](value) if name in enums else value for name, value in plain.items()
    }
    return Signal(**values)


@cache
def _enums() -> dict[str, type[Enum]]:
    hints = get_type_hints(Signal).items()
    return {name: hint for name, hint in hints if isinstance(hint, type) and issubclass(hint, Enum)}
