"""Whether a command line of ours, as a page shows it, really exists."""

from __future__ import annotations

import shlex
from typing import Any


def command_fault(line: str, root: Any) -> str:
    """What is wrong with a line such as ``vigil incidents show 7``; empty where nothing is.

    Words may be placeholders; names of commands and options, and how many arguments there are,
    must be right: those of ``root``, the tree of all commands. What follows ``|``, ``>`` or ``#``
    is not ours.
    """
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        return str(error)
    for stop in ("|", ">", ">>", "&&", ";"):
        if stop in words:
            words = words[: words.index(stop)]
    command, rest = root, words[1:]
    while (inner := getattr(command, "commands", None)) is not None:
        if not rest:
            return "" if words == ["vigil"] else f"{' '.join(words)} is a group of commands"
        if rest[0] == "--help":
            return ""
        if rest[0].startswith("-") and not getattr(command, "name", None):
            return ""
        if rest[0] not in inner:
            return f"there is no {rest[0]!r}"
        command, rest = inner[rest[0]], rest[1:]
    return _arguments_fault(command, rest)


def _arguments_fault(command: Any, words: list[str]) -> str:
    options = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts)}
    given, named, place = 0, set(), 0
    while place < len(words):
        word = words[place]
        place += 1
        if not word.startswith("-") or word == "-":
            given += 1
            continue
        name, _, value = word.partition("=")
        option = options.get(name)
        if option is None or option.param_type_name == "argument":
            return "" if name == "--help" else f"there is no option {name}"
        named.add(option.name)
        if not value and not option.is_flag:
            if place >= len(words):
                return f"{name} needs a value"
            place += 1
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    fewest = sum(1 for one in arguments if one.required)
    most = None if any(one.nargs == -1 for one in arguments) else len(arguments)
    if given < fewest or (most is not None and given > most):
        wanted = f"{fewest}" if fewest == most else f"{fewest} or more"
        return f"expected {wanted} arguments, found {given}"
    missing = [
        one.opts[0]
        for one in command.params
        if one.param_type_name == "option" and one.required and one.name not in named
    ]
    return f"needs {', '.join(missing)}" if missing else ""
