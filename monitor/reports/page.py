"""Puts what the comparison is about above Evidently's page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from monitor.reports.data import Tables
from monitor.reports.distances import KS, WASSERSTEIN, Comparison, ks_distance

# The page holds all that it needs; whatever a text made of it, it could not call home.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
STYLE = """
.vigil { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem;
  margin: 2rem auto 1rem; padding: 0 1.5rem; }
.vigil h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
.vigil p { margin: .35rem 0; }
.vigil table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
.vigil th, .vigil td { text-align: right; padding: .2rem .9rem .2rem 0;
  border-bottom: 1px solid #8884; }
.vigil th:first-child, .vigil td:first-child { text-align: left; }
.vigil .aside { opacity: .75; }
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """What a reader has to know first; any text may be hostile."""

    title: str
    lines: tuple[str, ...]
    notes: tuple[str, ...]


def compose(
    page: str, heading: Heading, tables: Tables, comparisons: Sequence[Comparison]
) -> str | None:
    """Evidently's page with the heading on top; None where it is not the page that we know."""
    head, body = "<head>", "<body>"
    if head not in page or body not in page:
        return None
    meta = (
        f'{head}<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(heading.title)}</title><style>{STYLE}</style>"
    )
    top = [f'{body}<header class="vigil"><h1>{escape(heading.title)}</h1>']
    top += [f"<p>{escape(line)}</p>" for line in heading.lines]
    top.append(_table(tables, comparisons))
    top += [f'<p class="aside">{escape(note)}</p>' for note in heading.notes]
    top.append("</header>")
    return page.replace(head, meta, 1).replace(body, "".join(top), 1)


def agreement(comparisons: Sequence[Comparison]) -> str:
    """Whether both computed the same numbers, as a sentence."""
    apart = [one for one in comparisons if not one.agree]
    if not apart:
        return f"vigil and Evidently agree on all {len(comparisons)} numbers."
    named = ", ".join(
        f"{one.signal} by {one.method} ({one.vigil:.4g} and {_number(one.evidently)})"
        for one in apart
    )
    return f"vigil and Evidently disagree: {named}."


def _table(tables: Tables, comparisons: Sequence[Comparison]) -> str:
    found = {(one.signal, one.method): one for one in comparisons}
    columns = (
        "signal", "records now", "median before", "median now", "KS distance", "KS p-value",
        "Wasserstein (sd)",
    )  # fmt: skip
    rows = ["".join(f"<th>{name}</th>" for name in columns)]
    for name in tables.names:
        before, now = tables.values(name)
        cells = (
            name,
            str(len(now)),
            f"{np.median(before):.4g}",
            f"{np.median(now):.4g}",
            f"{ks_distance(before, now):.3f}",
            f"{found[name, KS].vigil:.2g}",
            f"{found[name, WASSERSTEIN].vigil:.3f}",
        )
        rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
