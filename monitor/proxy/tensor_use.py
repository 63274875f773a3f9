"""Which tensor of a call is what: ``images=input:nchw:mean=0.5:std=0.25``."""

from __future__ import annotations

from collections.abc import Sequence
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
_CHANNELS = (1, 3, 4)
_SMALLEST, _LARGEST = 1e-6, 1e9
"""Of numbers that float32 divides and multiplies by without losing them."""


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
        said = [option.partition("=")[0] for option in options]
        twice = [key for key in said if said.count(key) > 1]
        if twice:
            raise ValueError(f"{text!r}: {twice[0]} is said twice")
        for option in options:
            use = _with(use, option, text)
        per_channel = {len(one) for one in (use.mean, use.std)} - {0, 1}
        if len(per_channel) > 1:
            raise ValueError(f"{text!r}: expected as many numbers in mean as in std")
        return use


def check_together(uses: Sequence[TensorUse]) -> None:
    """Whether the tensors of one model can all be what they are said to be.

    Raises:
        ValueError: a role that is given twice, or parts of detections without their boxes.
    """
    names = [".".join(filter(None, (use.role, use.name))) for use in uses]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is said twice")
    roles = {use.role for use in uses}
    alone = [role for role in ("scores", "classes", "counts") if role in roles]
    if alone and "boxes" not in roles:
        raise ValueError(f"{', '.join(alone)}: expected boxes=TENSOR beside them")


def _with(use: TensorUse, option: str, text: str) -> TensorUse:
    key, equals, value = option.partition("=")
    if use.role == "images":
        if option in ("nchw", "nhwc"):
            return replace(use, layout=option)  # type: ignore[arg-type]
        if key == "mean" and equals:
            return replace(use, mean=_channels(_numbers(value, text), text))
        if key == "std" and equals:
            numbers = _channels(_numbers(value, text), text)
            return replace(use, std=tuple(_above_0(one, text, "std: ") for one in numbers))
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
        if low >= high:
            raise ValueError(f"{text!r}: range: expected LOW below HIGH, found {value!r}")
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
    if not all(abs(one) <= _LARGEST for one in numbers):
        raise ValueError(
            f"{text!r}: expected numbers between -{_LARGEST:g} and {_LARGEST:g}, found {value!r}"
        )
    return numbers


def _channels(numbers: tuple[float, ...], text: str) -> tuple[float, ...]:
    if len(numbers) not in _CHANNELS:
        raise ValueError(
            f"{text!r}: expected one number, or one for each of 3 or 4 channels, "
            f"found {len(numbers)}"
        )
    return numbers


def _number(value: str, text: str) -> float:
    numbers = _numbers(value, text)
    if len(numbers) > 1:
        raise ValueError(f"{text!r}: expected one number, found {value!r}")
    return numbers[0]


def _size(value: str, text: str) -> float:
    return _above_0(_number(value, text), text)


def _above_0(number: float, text: str, what: str = "") -> float:
    if number < _SMALLEST:
        raise ValueError(
            f"{text!r}: {what}expected a number above 0, {_SMALLEST:g} or more, found {number:g}"
        )
    return number
