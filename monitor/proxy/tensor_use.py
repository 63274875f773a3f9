"""Which tensor of a call is what: ``images=input:nchw:mean=0.5:std=0.25``."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

Role = Literal[
    "images",
    "embeddings",
    "outputs",
    "boxes",
    "scores",
    "classes",
    "counts",
    "masks",
    "texts",
    "signal",
]
Layout = Literal["", "nchw", "nhwc"]
BoxForm = Literal["xyxy", "xywh", "cxcywh", "yxyx"]
ROLES: tuple[str, ...] = get_args(Role)
NAMED = ("embeddings", "signal")
"""Roles of which there may be several, each with a name: ``signal.blur=tensor``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorUse:
    """One tensor.

    * ``role``: what it is; ``name``: which one, of roles that may come more than once.
    * ``tensor``: its name in the call.
    * ``layout``: of images; "" lets the shape tell.
    * ``mean``, ``std``, ``most``: undo what the client did to images, so that they lie in [0, 1]:
      ``(x * std + mean) / most``; one number, or one a channel.
    * ``form``: of boxes; ``width``, ``height``: of the image they are measured in, pixels; 0 where
      they are relative.
    * ``least``: detections with a lower score are padding.
    * ``low``, ``high``: the range of a signal.
    """

    role: Role
    tensor: str
    name: str = ""
    layout: Layout = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    most: float = 1.0
    form: BoxForm = "xyxy"
    width: float = 0.0
    height: float = 0.0
    least: float = 0.0
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "std", tuple(self.std))

    @classmethod
    def parse(cls, text: str) -> TensorUse:
        """Read ``role[.name]=tensor[:option...]``.

        Raises:
            ValueError: what is wrong with it.
        """
        what, equals, rest = text.partition("=")
        role, _, name = what.partition(".")
        if not equals or role not in ROLES:
            raise ValueError(f"{text!r}: expected role=tensor, a role of {', '.join(ROLES)}")
        if name and role not in NAMED:
            raise ValueError(f"{text!r}: there is one {role}; no name is expected after it")
        if role == "signal" and not name:
            raise ValueError(f"{text!r}: expected signal.NAME=tensor")
        tensor, *options = rest.split(":")
        if not tensor:
            raise ValueError(f"{text!r}: expected the name of a tensor")
        use = cls(role=role, name=name, tensor=tensor)  # type: ignore[arg-type]
        for option in options:
            use = _with(use, option, text)
        return use


def _with(use: TensorUse, option: str, text: str) -> TensorUse:
    key, equals, value = option.partition("=")
    if use.role == "images":
        if option in ("nchw", "nhwc"):
            return replace(use, layout=option)  # type: ignore[arg-type]
        if key in ("mean", "std") and equals:
            return replace(use, **{key: _numbers(value, text)})  # type: ignore[arg-type]
        if key == "max" and equals:
            return replace(use, most=_size(value, text))
    if use.role == "boxes":
        if option in get_args(BoxForm):
            return replace(use, form=option)  # type: ignore[arg-type]
        if key == "pixels" and equals:
            width, _, height = value.partition("x")
            return replace(use, width=_size(width, text), height=_size(height or width, text))
    if use.role == "scores" and key == "min" and equals:
        return replace(use, least=_number(value, text))
    if use.role == "signal" and key == "range" and value.count(",") == 1:
        low, high = _numbers(value, text)
        if low < high:
            return replace(use, low=low, high=high)
    known = {
        "images": "nchw, nhwc, mean=, std=, max=",
        "boxes": "xyxy, xywh, cxcywh, yxyx, pixels=WIDTHxHEIGHT",
        "scores": "min=",
        "signal": "range=LOW,HIGH",
    }.get(use.role, "none")
    raise ValueError(f"{text!r}: options of {use.role}: {known}; found {option!r}")


def _numbers(value: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(one) for one in value.split(","))
    except ValueError:
        raise ValueError(f"{text!r}: expected numbers, found {value!r}") from None
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{text!r}: expected finite numbers, found {value!r}")
    return numbers


def _number(value: str, text: str) -> float:
    numbers = _numbers(value, text)
    if len(numbers) > 1:
        raise ValueError(f"{text!r}: expected one number, found {value!r}")
    return numbers[0]


def _size(value: str, text: str) -> float:
    number = _number(value, text)
    if number <= 0.0:
        raise ValueError(f"{text!r}: expected a number above 0, found {value!r}")
    return number
