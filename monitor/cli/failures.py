"""Errors that people can mend are one line and exit with 2; faults of ours keep their trace."""

from __future__ import annotations

import sys
from typing import Any

from typer import Exit
from typer.core import TyperGroup

from monitor.cli.missing import advice
from vigil.errors import VigilError


def told(error: Exception) -> str | None:
    """What to say of an error; None where it is a fault in vigil itself."""
    if isinstance(error, VigilError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return advice(error)
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return f"{error.filename}: {error.strerror}"
    if "sqlalchemy" in sys.modules:
        from monitor.store.database import is_away, is_unstorable

        if is_unstorable(error):
            return "a number or text that the database can't hold"
        if is_away(error):
            first = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            return f"the database can't be used: {first}"
    return None


class FriendlyGroup(TyperGroup):
    """A group of commands whose expected errors are one line long."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            text = told(error)
            if text is None:
                raise
            sys.stderr.write(f"vigil: {text}\n")
            raise Exit(2) from error
