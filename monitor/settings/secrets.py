"""Secrets are read where they are needed and never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping

from monitor.settings.fields import SecretRef
from vigil.errors import ConfigError


class Secret:
    """A text that does not show itself: only ``reveal()`` gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret can't be pickled")


def read_secret(
    ref: SecretRef, *, key: str, environ: Mapping[str, str] | None = None, file: str = "vigil.toml"
) -> Secret:
    """The secret that a setting refers to. ``key`` names the setting in errors.

    Raises:
        ConfigError: neither or both of ``env`` and ``file`` are given, or the place is empty.
    """
    if (ref.env is None) == (ref.file is None):
        raise ConfigError(file, key, expected="either env or file", found="both or neither")
    if ref.env is not None:
        text = (os.environ if environ is None else environ).get(ref.env, "")
        if not text:
            raise ConfigError(
                file,
                key,
                expected=f"the secret in the environment variable {ref.env}",
                found="nothing: it is not set",
            )
        return Secret(text)
    assert ref.file is not None
    try:
        text = ref.file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(
            file, key, expected=f"the secret in {ref.file}", found=str(reason)
        ) from None
    if not text:
        raise ConfigError(file, key, expected=f"the secret in {ref.file}", found="an empty file")
    return Secret(text)
