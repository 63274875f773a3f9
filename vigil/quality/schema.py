"""What records of a model look like: learned from the baseline, checked in every batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MOST_FORMS = 16
MOST_KEYS = 64
MOST_NAME = 512
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ImageForm:
    """Height, width, channels and number type of images as they were handed in."""

    height: int
    width: int
    channels: int
    kind: str

    @property
    def size(self) -> str:
        return f"{self.height}x{self.width}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A metadata key: the share of the records that have it, and the kinds of its values
    (``number``, ``flag``, ``empty``, ``text``)."""

    share: float
    kinds: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """What a baseline's records had; empty or 0 where they had none, or too many to tell.

    ``sizes``: heights and widths of the images; ``channels``, ``types``. ``low`` and ``high``: the
    range of pixel values given as floats. ``classes``, ``dimension`` of the main embedding, and of
    the ``others``. ``keys``: metadata keys. ``records``: so many were looked at.
    """

    records: int
    sizes: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    classes: int = 0
    dimension: int = 0
    others: Mapping[str, int] = field(default_factory=dict)
    keys: Mapping[str, Key] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "records": self.records,
            "sizes": list(self.sizes),
            "channels": list(self.channels),
            "types": list(self.types),
            "range": [self.low, self.high],
            "classes": self.classes,
            "dimension": self.dimension,
            "others": dict(self.others),
            "keys": {name: [key.share, list(key.kinds)] for name, key in self.keys.items()},
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any] | None) -> Schema | None:
        """None for none, and for one of a newer format: then nothing is checked.

        Raises:
        ValueError, TypeError, KeyError, AttributeError: not what ``to_json`` wrote.
        """
        if not plain or int(plain["format"]) > _FORMAT:
            return None
        if len(plain["keys"]) > MOST_KEYS or len(plain["sizes"]) > MOST_FORMS:
            raise ValueError("schema: more keys or sizes than a baseline learns")
        low, high = plain["range"]
        return cls(
            records=int(plain["records"]),
            sizes=tuple(map(str, plain["sizes"])),
            channels=tuple(map(int, plain["channels"])),
            types=tuple(map(str, plain["types"])),
            low=None if low is None else float(low),
            high=None if high is None else float(high),
            classes=int(plain["classes"]),
            dimension=int(plain["dimension"]),
            others={str(name): int(size) for name, size in plain["others"].items()},
            keys={
                str(name): Key(share=float(share), kinds=tuple(map(str, kinds)))
                for name, (share, kinds) in plain["keys"].items()
            },
        )


class Records(Protocol):
    """What a schema says something about: a ``vigil.measuring.batch.RecordBatch`` of n records.

    ``pixel_range`` (n, 2): lowest and highest value of each image of floats, else NaN.
    """

    @property
    def task(self) -> str: ...

    @property
    def image_form(self) -> ImageForm | None: ...

    @property
    def pixel_range(self) -> NDArray[np.float32]: ...

    @property
    def probabilities(self) -> NDArray[np.float32]: ...

    @property
    def embedding(self) -> NDArray[np.float32]: ...

    @property
    def others(self) -> Mapping[str, NDArray[np.float32]]: ...

    @property
    def metadata(self) -> tuple[dict[str, str], ...]: ...

    def __len__(self) -> int: ...


def kind_of(text: str) -> str:
    """Of what kind a metadata value is, which has become text by now."""
    if not text:
        return "empty"
    if text in ("True", "False", "true", "false"):
        return "flag"
    try:
        float(text)
    except ValueError:
        return "text"
    return "number"
