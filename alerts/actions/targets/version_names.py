"""Versions that a system numbers, and what vigil calls them: ``v{number}`` for one, or a tag."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = "{number}"


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberedName:
    """``before`` and ``after`` the number; both empty: the number is the name."""

    before: str = ""
    after: str = ""

    @classmethod
    def parse(cls, text: str) -> NumberedName:
        """Raises:
        ValueError: ``{number}`` is not in it exactly once.
        """
        if text.count(_NUMBER) != 1:
            raise ValueError("expected a name with {number} in it, such as v{number}")
        before, after = text.split(_NUMBER)
        return cls(before=before, after=after)

    def name(self, number: str) -> str:
        return f"{self.before}{number}{self.after}"

    def number(self, name: str) -> str | None:
        """None where ``name`` is not such a name."""
        pattern = f"{re.escape(self.before)}([1-9][0-9]*){re.escape(self.after)}"
        found = re.fullmatch(pattern, name, re.ASCII)
        return found[1] if found else None
