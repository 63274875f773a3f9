"""How a version is run: what can differ between two replicas of the same version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vigil.arguments import NAME_LIMIT


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """Names that the caller chooses, each empty where nobody said.

    Args:
        preprocessing: of the code between camera and model, such as ``resize-224/7f3a``.
        hardware: such as ``L4`` or ``jetson-orin int8``.
        schema: of the model's input and output; two versions that differ in it can't stand in for
            each other.
    """

    preprocessing: str = ""
    hardware: str = ""
    schema: str = ""

    @classmethod
    def of(cls, *, preprocessing: object, hardware: object, schema: object) -> Build:
        """As a person or a program says it.

        Raises:
            ValueError: not at most 200 printable characters.
        """
        given = {"preprocessing": preprocessing, "hardware": hardware, "schema": schema}
        for what, value in given.items():
            if not isinstance(value, str) or not fits(value):
                raise ValueError(
                    f"{what}: expected at most {NAME_LIMIT} printable characters, "
                    f"found {value!r:.80}"
                )
        return cls(**{what: str(value) for what, value in given.items()})

    def to_json(self) -> dict[str, str]:
        """What was said; nothing where nobody said anything."""
        return {what: value for what, value in self.items() if value}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Build:
        """Raises:
        TypeError: a value that is not text.
        """
        found = {what: plain.get(what, "") for what, _ in NO_BUILD.items()}
        for what, value in found.items():
            if not isinstance(value, str):
                raise TypeError(f"{what}: expected text, found {type(value).__name__}")
        return cls(**found)

    def items(self) -> tuple[tuple[str, str], ...]:
        """Each name with its value."""
        return (
            ("preprocessing", self.preprocessing),
            ("hardware", self.hardware),
            ("schema", self.schema),
        )


NO_BUILD = Build()


def fits(text: str) -> bool:
    """Whether the service takes such a name."""
    return len(text) <= NAME_LIMIT and text.isprintable()
