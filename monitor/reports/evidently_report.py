"""Draw two tables with Evidently. Runs in a process of its own: see ``monitor.reports.worker``.

The only module that imports Evidently and pandas, inside functions: together they take seconds and
300 MB to import, and some of Evidently's methods reset NumPy's global seed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from monitor.reports.data import Floats, Ints, Tables
from monitor.reports.distances import WASSERSTEIN, Of, wanted
from vigil.catalogue import PREDICTED_CLASS

TABLES, PAGE, SCORES = "tables.vgl", "page.html", "scores.json"
FAMILY_LEVEL = 0.05
"""The false-alarm rate of all KS tests of a page together (Bonferroni)."""


def main(folder: Path) -> None:
    """Read the tables in ``folder``; write the page and the scores there.

    Where Evidently can't be imported, the scores say so, and there is no page.
    """
    try:
        import evidently
        import evidently.metrics
        import pandas  # noqa: F401
    except ModuleNotFoundError as error:
        _write(folder, {"missing": (error.name or "evidently").partition(".")[0]})
        return
    except Exception as error:
        _write(folder, {"broken": f"{type(error).__name__}: {error}"})
        return
    scores = draw(Tables.from_bytes((folder / TABLES).read_bytes()), folder / PAGE)
    _write(
        folder,
        {"evidently": evidently.__version__, "scores": [[*of, x] for of, x in scores.items()]},
    )


def draw(tables: Tables, page: Path) -> dict[Of, float]:
    """Write Evidently's page; return its numbers for all that ``distances.wanted`` names."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    category = [PREDICTED_CLASS.name] if tables.classes else []
    definition = DataDefinition(numerical_columns=list(tables.names), categorical_columns=category)
    current, reference = (
        Dataset.from_pandas(_frame(tables, values, codes), data_definition=definition)
        for values, codes in (
            (tables.current, tables.current_classes),
            (tables.reference, tables.reference_classes),
        )
    )
    level = FAMILY_LEVEL / max(1, len(tables.names))
    # The method is named: by itself Evidently turns from KS to Wasserstein at 1000 rows.
    shown = [
        ValueDrift(column=of.signal, method=of.method, threshold=_threshold(of, level))
        for of in wanted(tables)
        if of.method != WASSERSTEIN
    ]
    counted = [
        ValueDrift(column=of.signal, method=of.method)
        for of in wanted(tables)
        if of.method == WASSERSTEIN
    ]
    drawn = Report(shown, include_tests=True).run(current, reference)
    drawn.save_html(str(page))  # a Path would silently write nothing
    found = _scores(drawn)
    if counted:
        found |= _scores(Report(counted).run(current, reference))
    return found


def _threshold(of: Of, level: float) -> float | None:
    return level if of.signal != PREDICTED_CLASS.name else None


def _frame(tables: Tables, values: Floats, codes: Ints) -> Any:
    import pandas as pd

    frame = pd.DataFrame(values, columns=list(tables.names))
    if tables.classes:
        labels = [tables.classes[code] if code >= 0 else None for code in codes]
        frame[PREDICTED_CLASS.name] = pd.Series(labels, dtype=object)
    return frame


def _scores(snapshot: Any) -> dict[Of, float]:
    return {
        Of(metric["config"]["column"], metric["config"]["method"]): float(metric["value"])
        for metric in snapshot.dict()["metrics"]
    }


def _write(folder: Path, found: dict[str, Any]) -> None:
    (folder / SCORES).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
