"""From the arguments of ``record`` to the bytes of a slot.

Calls of an inference loop look alike: the same arguments in the same shapes. What follows from the
shapes is worked out once and kept as a ``Form``; a call then costs copies and little else. In a
slot stand, one after the other: the form as JSON, numbers of 8 bytes, arrays, and all texts as
UTF-8 with a NUL between them (a NUL in a text becomes ``?``, as it would when stored).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import ShapeError
from vigil.ring.layout import SLOT_HEADER, WORD, aligned
from vigil.ring.likeness import Likeness
from vigil.signals.strips import BAND, cut_of, rows_axis, view_of
from vigil.values.arrays import as_numpy
from vigil.values.objects import Objects

MAX_FORMS = 256
TEXTS = frozenset(("texts", "uris", "trace_ids", "ids"))
OFFSET_DIGITS = 15
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one array goes, from the start of the slot. ``is_cut``: of an image, its strips;
    ``is_plain``: bytes as they are, at least one."""

    at: int
    end: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_cut: bool
    is_plain: bool


@dataclass(frozen=True, slots=True)
class Form:
    """What a slot of calls that look alike holds."""

    head: bytes
    numbers: Struct
    numbers_at: int
    places: tuple[Place, ...]
    texts_at: int
    texts: int


class RemoteError(Exception):
    """Something in the call is a tensor on another device, which is not waited for here."""


def is_remote(value: Any) -> bool:
    """Whether a value is a tensor on another device."""
    device = getattr(value, "device", None)
    return hasattr(value, "detach") and str(getattr(device, "type", "cpu")) != "cpu"


class Load:
    """The parts of one call, in order, and the key of its form.

    Args:
        version: of the model.
        arguments: of ``record``.
        metadata, ids: as given to ``record``.

    Raises:
        ShapeError: something that is not numbers or texts.
        RemoteError: something that is on another device.
    """

    __slots__ = ("_key", "arrays", "numbers", "texts")

    def __init__(self, version: str, arguments: Mapping[str, Any], metadata: Any, ids: Any) -> None:
        self._key: list[Any] = [version]
        self.arrays: list[NDArray[Any]] = []
        self.numbers: list[float] = []
        self.texts: list[Any] = []
        for name, value in arguments.items():
            if value is not None:
                self._add((name,), value)
        if metadata is not None:
            self._metadata(metadata)
        if ids is not None:
            self._column(("ids",), ids)

    @classmethod
    def of(cls, arrays: list[Any], numbers: list[float], texts: list[Any]) -> Load:
        """Parts whose form is known."""
        load = cls.__new__(cls)
        load.arrays, load.numbers, load.texts = arrays, numbers, texts
        return load

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(self._key)

    def _add(self, path: Path, value: Any) -> None:
        if type(value) is np.ndarray and path[0] not in TEXTS:
            self._array(path, value)
        elif isinstance(value, int | float):
            self._key += (path, "n", 0)
            self.numbers.append(value)
        elif path[0] in TEXTS and not isinstance(value, str):
            texts = value.tolist() if hasattr(value, "tolist") else value
            self._column(path, ["" if one is None else one for one in texts])
        elif isinstance(value, Mapping):
            self._key += (path, "m", 0)
            for name, one in value.items():
                if one is not None:
                    self._add((*path, str(name)), one)
        elif isinstance(value, Objects):
            self._add(path, {f.name: getattr(value, f.name) for f in fields(value)})
        elif isinstance(value, list | tuple) and any(hasattr(one, "shape") for one in value):
            self._key += (path, "l", len(value))
            for place, one in enumerate(value):
                self._array((*path, str(place)), as_numpy(one, path[0]))
        elif is_remote(value):
            raise RemoteError
        else:
            self._array(path, as_numpy(value, path[0]))

    def _array(self, path: Path, value: NDArray[Any]) -> None:
        dtype = value.dtype
        if dtype.kind not in "buif":
            raise ShapeError(path[0], expected="an array of numbers", found=f"type {dtype}")
        self._key += (path, dtype, value.shape)
        self.arrays.append(value)

    def _column(self, path: Path, values: Any) -> None:
        self._key += (path, "t", len(values))
        self.texts.append(values)

    def _metadata(self, metadata: Any) -> None:
        if type(metadata) is dict or isinstance(metadata, Mapping):
            self._key += (("metadata",), "m", 0)
            for name, value in metadata.items():
                if isinstance(value, list | tuple):
                    self._key += (("metadata", str(name)), "t", len(value))
                    self.texts.append(value)
                elif hasattr(value, "tolist") and len(getattr(value, "shape", ())):
                    self._column(("metadata", str(name)), value.tolist())
                else:
                    self._key += (("metadata", str(name)), "s", 1)
                    self.texts.append((value,))
            return
        rows = [dict(row) for row in metadata]
        names = list(rows[0]) if rows else []
        if names and all(list(row) == names for row in rows):
            self._key += (("metadata",), "m", 0)
            for name in names:
                self._column(("metadata", str(name)), [row[name] for row in rows])
        else:
            self._key += (("metadata",), "j", 1)
            plain = [{str(name): str(value) for name, value in row.items()} for row in rows]
            self.texts.append((json.dumps(plain),))


class Encoder:
    """Writes calls into slots; keeps the forms of the last 256 kinds of call."""

    def __init__(self) -> None:
        self._forms: dict[tuple[Any, ...], Form] = {}
        self._last: tuple[Likeness, Form] | None = None

    def read(
        self, version: str, arguments: Mapping[str, Any], metadata: Any, ids: Any
    ) -> tuple[Form, Load]:
        """The form and the parts of a call.

        Raises:
            ShapeError, RemoteError: as ``Load``.
        """
        last = self._last
        if last is not None and ids is None:
            parts = last[0].parts(version, arguments, metadata)
            if parts is not None:
                return last[1], Load.of(*parts)
        load = Load(version, arguments, metadata, ids)
        form = self.form(load)
        if ids is None:
            like = Likeness(load.key, tuple(arguments))
            self._last = (like, form) if like.is_plain else None
        return form, load

    def form(self, load: Load) -> Form:
        key = load.key
        form = self._forms.get(key)
        if form is None:
            if len(self._forms) >= MAX_FORMS:
                self._forms.clear()
            form = self._forms[key] = _form(key)
        return form

    @staticmethod
    def texts(load: Load, form: Form) -> bytes:
        """All texts of a call as one."""
        if not load.texts:
            return b""
        try:
            whole = "\0".join(["\0".join(column) for column in load.texts if column])
        except TypeError:
            whole = "\0".join([str(one) for column in load.texts for one in column])
        if form.texts and whole.count("\0") != form.texts - 1:
            parts = [str(one) for column in load.texts for one in column]
            whole = "\0".join([one.replace("\0", "?") for one in parts])
        return whole.encode("utf-8", "replace")

    @staticmethod
    def write(load: Load, form: Form, texts: bytes, memory: memoryview, at: int) -> None:
        """Fill a slot behind its header; ``at`` is where the slot starts."""
        start = at + SLOT_HEADER
        memory[start : start + len(form.head)] = form.head
        if load.numbers:
            form.numbers.pack_into(memory, at + form.numbers_at, *load.numbers)
        for array, place in zip(load.arrays, form.places, strict=True):
            if place.is_plain and array.flags.c_contiguous:
                # Unlike numpy's own copy this one keeps the interpreter's lock, which is cheaper
                # than to wait for it again.
                memory[at + place.at : at + place.end] = array.data.cast("B")
                continue
            there: NDArray[Any] = np.ndarray(place.shape, place.dtype, memory, at + place.at)
            if place.is_cut:
                axis = rows_axis(array.shape)
                cut = cut_of(*array.shape[axis : axis + 2])
                np.copyto(there, view_of(array, cut, axis))
            else:
                np.copyto(there, array)
        if texts:
            texts_at = at + form.texts_at
            memory[texts_at : texts_at + len(texts)] = texts


def _form(key: tuple[Any, ...]) -> Form:
    """What follows from the shapes: offsets, and the description that the reader goes by."""
    version, *parts = key
    described: list[list[Any]] = []
    plain: dict[str, Any]
    arrays: list[tuple[list[Any], np.dtype[Any], tuple[int, ...], bool]] = []
    numbers = texts = 0
    for path, kind, shape in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if isinstance(kind, str):
            described.append([list(path), kind, shape])
            numbers += kind == "n"
            texts += shape if kind in ("t", "s", "j") else 0
            continue
        whole = shape
        axis = rows_axis(shape)
        is_cut = path == ("images",) and len(shape) in (3, 4) and 0 not in shape
        extra: list[int] = []
        if is_cut:
            cut = cut_of(*shape[axis : axis + 2])
            is_cut = cut.bands > 0
            extra = [BAND if is_cut else 0, *shape[axis : axis + 2]]
            if is_cut:
                shape = (*shape[:axis], cut.bands, BAND, *shape[axis + 1 :])
                whole = (*whole[:axis], cut.rows, *whole[axis + 1 :])
        entry = [list(path), "a", kind.str, list(whole), 0, *extra]
        described.append(entry)
        arrays.append((entry, kind, shape, is_cut))
    plain = {"version": version, "numbers_at": 0, "texts_at": 0, "parts": described}
    # The offsets stand in the description, whose length they depend on: room for the longest.
    room = SLOT_HEADER + len(_json(plain)) + OFFSET_DIGITS * (2 + len(arrays))
    plain["numbers_at"] = aligned(room)
    end = aligned(plain["numbers_at"] + numbers * WORD)
    places = []
    for entry, dtype, shape, is_cut in arrays:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        entry[4] = end
        is_plain = dtype.isnative and size > 0 and not is_cut
        places.append(Place(end, end + size, shape, dtype, is_cut, is_plain))
        end = aligned(end + size)
    plain["texts_at"] = end
    return Form(
        head=_json(plain),
        numbers=Struct(f"={numbers}d"),
        numbers_at=plain["numbers_at"],
        places=tuple(places),
        texts_at=end,
        texts=texts,
    )


def _json(plain: Any) -> bytes:
    return json.dumps(plain, separators=(",", ":")).encode()
