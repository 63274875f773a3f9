"""The scenario suite: images that a candidate must get right, whatever the average says."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, ValidationError

from monitor.gate.errors import GateError
from monitor.gate.evaluation import Bools, Evaluation
from monitor.gate.report import Check, Family, GateOutcome
from monitor.settings.fields import Section, Share, Text

UNIT = "share wrong"


class Scenario(Section):
    """Images by their ids, or by the values of columns. ``must_not_fail``: every one is right."""

    name: Text
    ids: tuple[str, ...] = ()
    where: dict[str, str] = Field(default_factory=dict)
    must_not_fail: bool = False
    pass_share: Share | None = None


class Suite(Section):
    """``pass_share``: what each scenario needs that does not say otherwise, and all together."""

    pass_share: Annotated[float, Field(gt=0, le=1, strict=True)] = 0.95
    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1)]


def load(path: Path) -> Suite:
    """Raises:
    GateError: a file that can't be read, with the key that is wrong.
    """
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
        suite = Suite.model_validate(plain)
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise GateError(f"{path}: expected a file of scenarios, found: {said}") from None
    except tomllib.TOMLDecodeError as error:
        raise GateError(f"{path}: not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise GateError(f"{path}: {key}: {first['msg']}") from None
    for one in suite.scenarios:
        if bool(one.ids) == bool(one.where):
            raise GateError(f"{path}: scenario {one.name}: expected either ids or where")
    names = [one.name for one in suite.scenarios]
    if len(set(names)) != len(names):
        raise GateError(f"{path}: expected each scenario once, found one again")
    return suite


def scenario_checks(candidate: Evaluation, suite: Suite) -> Iterator[Check]:
    """Each scenario, then all of their images together.

    The images are a fixed list, not a sample: shares are compared as they are.

    Raises:
        GateError: ids are asked for and the evaluation has none, or a column is missing.
    """
    every = np.zeros(len(candidate), bool)
    missing = 0
    for one in suite.scenarios:
        rows, absent = _rows(candidate, one)
        every |= rows
        missing += absent
        needed = suite.pass_share if one.pass_share is None else one.pass_share
        yield _check(candidate, one.name, rows, absent, 1.0 if one.must_not_fail else needed)
    yield _check(candidate, "the whole suite", every, missing, suite.pass_share)


def _rows(candidate: Evaluation, one: Scenario) -> tuple[Bools, int]:
    if one.where:
        return candidate.rows(one.where), 0
    if candidate.ids is None:
        raise GateError(f"{candidate.name}: scenario {one.name}: expected a column id, found none")
    wanted = np.array(sorted(set(one.ids)), np.str_)
    return np.isin(candidate.ids, wanted), int((~np.isin(wanted, candidate.ids)).sum())


def _check(candidate: Evaluation, name: str, rows: Bools, absent: int, needed: float) -> Check:
    records = int(rows.sum())
    wrong = int((~candidate.right[rows]).sum())
    share = wrong / records if records else None
    said = f"{records - wrong} of {records} right, {needed:.4g} needed"
    if share is not None and share > 1.0 - needed + 1e-12:
        outcome = GateOutcome.FAIL
        if candidate.ids is not None:
            shown = [str(one) for one in candidate.ids[rows & ~candidate.right][:5]]
            more = f" and {wrong - 5} more" if wrong > 5 else ""
            said += f"; wrong: {', '.join(shown)}{more}"
    elif absent or not records:
        outcome = GateOutcome.INCONCLUSIVE
        said += f"; {absent} images are not in the evaluation" if absent else "; no image is there"
    else:
        outcome = GateOutcome.PASS
    return Check(
        family=Family.SCENARIO,
        name=name,
        outcome=outcome,
        text=said,
        value=share,
        limit=1.0 - needed,
        unit=UNIT,
        records=records,
    )
