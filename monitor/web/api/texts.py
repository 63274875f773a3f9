"""Texts that people and pipelines write, as every database can keep them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from vigil.values.texts import clean_text


def storable(text: str) -> str:
    """Raises:
    ValueError: NUL, or half of a surrogate pair.
    """
    if clean_text(text) != text:
        raise ValueError("expected text without NUL and lone surrogates")
    return text


def printable(text: str) -> str:
    """Raises:
    ValueError: a line break, a control character.
    """
    if not text.isprintable():
        raise ValueError("expected printable characters")
    return text


Note = Annotated[str, Field(max_length=2000), AfterValidator(storable)]
Version = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(printable)]
BuildName = Annotated[str, Field(max_length=200), AfterValidator(printable)]
