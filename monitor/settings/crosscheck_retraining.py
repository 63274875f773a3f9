"""What a model's settings of retraining lack or contradict."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.settings.addresses import has_login, is_storable
from monitor.settings.problem import Problem
from monitor.settings.retraining import Retraining


def retraining_problems(rules: Retraining, path: tuple[str | int, ...]) -> Iterator[Problem]:
    """Every contradiction."""
    for name in rules.needed:
        if getattr(rules, name) is None:
            yield Problem(
                path=(*path, name),
                expected=f'a value, because hook = "{rules.hook}"',
                found="none",
            )
    if rules.automatic and rules.hook == "none":
        yield Problem(
            path=(*path, "hook"),
            expected="one that trains, because automatic = true",
            found="none",
        )
    if rules.datasets is not None and has_login(rules.datasets):
        yield Problem(
            path=(*path, "datasets"),
            expected="a place without a name or password, because it is shown",
            found="one with them",
        )
    elif rules.datasets is not None and not is_storable(rules.datasets):
        yield Problem(
            path=(*path, "datasets"),
            expected="a folder, or a URL that fsspec knows",
            found=repr(rules.datasets),
        )
