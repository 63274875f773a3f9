"""Ids of records that the caller gave none: made when somebody reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload


class Ids(Sequence[str]):
    """``source.boot.counter`` for n records, as a sequence of texts that equals such a list.

    ``list(ids)`` makes the list, where something asks for one.
    """

    __slots__ = ("_first", "_n", "_prefix")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, prefix: str, first: int, n: int) -> None:
        self._prefix, self._first, self._n = prefix, first, n

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[str]:
        prefix = self._prefix
        return iter([f"{prefix}{i}" for i in range(self._first, self._first + self._n)])

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._n))]
        place = index + self._n if index < 0 else index
        if not 0 <= place < self._n:
            raise IndexError(f"id {index} of {self._n}")
        return f"{self._prefix}{self._first + place}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Ids | list | tuple):
            return len(self) == len(other) and list(self) == list(other)
        return NotImplemented

    def __add__(self, other: Sequence[str]) -> list[str]:
        return [*self, *other]

    def __radd__(self, other: Sequence[str]) -> list[str]:
        return [*other, *self]

    def __repr__(self) -> str:
        return repr(list(self))
