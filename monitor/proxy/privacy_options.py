"""What may leave of a model's records, as a file or the command's options say it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from vigil.privacy import Blur, Crop, Fill, Pixelate, Privacy, Redact, Salt

_PIECES: Mapping[str, tuple[Callable[..., Redact], tuple[str, ...]]] = {
    "blur": (Blur, ("classes", "margin", "strength")),
    "fill": (Fill, ("classes", "margin", "value")),
    "pixelate": (Pixelate, ("block", "boxes", "classes", "margin")),
    "crop": (Crop, ("region",)),
}
"""The redactions that can be named, and what can be said of each."""
_LISTS = ("metadata", "hash_metadata", "consent")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def privacy_of(plain: Mapping[str, Any]) -> Privacy:
    """The value for a tap; keys are those of ``Privacy``.

    Args:
        plain: as TOML or JSON have it. ``redact`` is a list of tables, each with its ``kind``;
            ``salt`` a table with ``env`` or ``file``.

    Raises:
        ValueError: what is wrong with it, without anything that may be a secret.
    """
    _known("privacy", plain, tuple(one.name for one in fields(Privacy)))
    given = dict(plain)
    for name in _LISTS:
        if isinstance(given.get(name), str):  # a text is a sequence of letters
            raise ValueError(f"privacy.{name}: expected a list of names, found {given[name]!r:.80}")
    if "redact" in given:
        given["redact"] = _pieces(given["redact"])
    if "salt" in given:
        given["salt"] = _salt(given["salt"])
    try:
        return Privacy(**given)
    except TypeError as error:
        raise ValueError(f"privacy: {error}") from None


def needs_boxes(plain: Mapping[str, Any]) -> bool:
    """Whether a redaction hides the record's own detections."""
    return any(
        one["kind"] in ("blur", "fill") or one.get("boxes") for one in plain.get("redact", ())
    )


def _pieces(listed: Any) -> tuple[Redact, ...]:
    if not isinstance(listed, list | tuple) or not all(isinstance(one, Mapping) for one in listed):
        raise ValueError("privacy.redact: expected a list of tables")
    return tuple(_piece(f"privacy.redact[{i}]", one) for i, one in enumerate(listed))


def _piece(where: str, plain: Mapping[str, Any]) -> Redact:
    kind = plain.get("kind")
    if not isinstance(kind, str) or kind not in _PIECES:
        raise ValueError(f"{where}.kind: expected one of {', '.join(_PIECES)}, found {kind!r:.80}")
    make, options = _PIECES[kind]
    _known(where, plain, ("kind", *options))
    given = {name: value for name, value in plain.items() if name != "kind"}
    if given.get("boxes", "detections") != "detections":
        raise ValueError(f"{where}.boxes: expected detections, found {given['boxes']!r:.80}")
    for name in ("classes", "region"):
        if name in given:
            given[name] = _numbers(f"{where}.{name}", given[name])
    try:
        return make(**given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def _numbers(where: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or any(
        isinstance(one, bool) or not isinstance(one, int | float) for one in value
    ):
        raise ValueError(f"{where}: expected a list of numbers, found {value!r:.80}")
    return tuple(value)


def _salt(plain: Any) -> Salt:
    if not isinstance(plain, Mapping) or not all(
        isinstance(plain.get(name, ""), str) for name in ("env", "file")
    ):
        raise ValueError("privacy.salt: expected a table with env or file, found something else")
    _known("privacy.salt", plain, tuple(one.name for one in fields(Salt)))
    if plain.get("env") and not _VARIABLE.fullmatch(plain["env"]):
        raise ValueError("privacy.salt.env: expected the name of an environment variable")
    try:
        return Salt(**plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"privacy.salt: {error}") from None


def _known(where: str, plain: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in plain:
        if name not in names:
            raise ValueError(f"{where}.{name}: expected one of {', '.join(names)}")
