"""``docs/actions.md``, written from the results: nothing here measures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.actions.faults import Fault, library
from bench.evidence.page import table

PAGE = Path(__file__).parents[2] / "docs" / "actions.md"

HEAD = """# Actions: what was measured

Written by `make bench-actions` from `bench/results/actions.json`; do not edit.

Every fault below is played through the real service, in one process, on a clock that is moved by
hand: real handwritten digits (UCI, in scikit-learn) as the cameras of the demo see them, a network
that is trained for it, the recorder, ingest, the tick, the diagnosis, the guard, the replay of the
incident's images through the other version over HTTP, the local registry and the re-label queue.
Windows last a second, 12 cameras take 20 pictures each in a window, a tenth of the records gets a
label 2 s later. What is right was written down beforehand (`bench/actions/faults.py`). The service
was mended with seed 0; the seeds below were not looked at until it was done.

* *rollback*: the version before is put back, by the service alone. *ask*: a rollback waits for a
  person's yes, because nothing can be replayed (a latency). *relabel*: images are queued.
  *page*: people are told. *none*: nothing is said.
* A cause is right where the first incident has it and no further one another. Of a pair of faults
  the second may have an incident of its own.
* A rollback is harmful where it was carried out and is not the right action; missed where it is
  right and was not carried out.
"""


def write(document: Mapping[str, Any], *, page: Path = PAGE) -> None:
    """The page, from whatever parts the document has."""
    sections = [HEAD]
    if document.get("library"):
        sections += [_figures(document), _confusion(document["library"]), _faults(document)]
    if document.get("relabel"):
        sections.append(_relabel(document["relabel"], document["relabel_seeds"]))
    sections.append(LIMITS)
    page.write_text("\n".join(sections))


LIMITS = """## What this does not show

* The faults are large: each is seen within seconds. How small a drift is found, and how often the
  service cries wolf, is measured in [evidence](evidence.md).
* Where other hands write at a site that the baseline knows, their strokes move the noise of the
  images too, and the service takes it for a fault of the input. Images are queued a little later,
  when the embeddings speak for themselves.
* With one replica, one model, one registry and no person in between, *seconds to answer* are the
  service's own. Deployments take their time on top.
"""


def _figures(document: Mapping[str, Any]) -> str:
    found = document["library"]
    rows = [
        ["faults, seeds played", f"{found['faults']}, {_seeds(document)}"],
        ["harmful rollbacks", str(found["harmful_rollbacks"])],
        ["missed rollbacks", str(found["missed_rollbacks"])],
        ["cause right", _share(found["cause_accuracy"])],
        ["action right", _share(found["action_accuracy"])],
        ["incidents before the fault", str(found["false_incidents"])],
    ]
    return "## In short\n\n" + table(["", ""], rows)


def _seeds(document: Mapping[str, Any]) -> str:
    return ", ".join(str(one) for one in sorted({row["seed"] for row in document["played"]}))


def _confusion(found: Mapping[str, Any]) -> str:
    parts = []
    for name, title in (("cause_confusion", "Cause"), ("action_confusion", "Action")):
        rows = found[name]
        columns = sorted({answer for row in rows.values() for answer in row} | set(rows))
        body = [
            [right.replace("_", " "), *(str(rows[right].get(one, "")) for one in columns)]
            for right in sorted(rows)
        ]
        head = [f"{title}: right, then found", *(one.replace("_", " ") for one in columns)]
        parts.append(table(head, body))
    times = [
        [action, *(_times(each, name) for name in _TIMES)]
        for action, each in found["seconds"].items()
        if each
    ]
    head = ["right action", "seen", "answered", "recovered"]
    told = (
        "Seconds (and windows) from the onset, median and largest. *Answered*: rolled back, or "
        "refused with its reasons, or asked for; otherwise people were told.\n"
    )
    return "\n".join(["## Confusion\n", *parts, told, table(head, times)])


_TIMES = ("seconds_to_detect", "seconds_to_answer", "seconds_to_recover")


def _times(each: Mapping[str, Any], name: str) -> str:
    one = each.get(name)
    return f"{one['median']:.1f}, {one['largest']:.1f}" if one else ""


def _faults(document: Mapping[str, Any]) -> str:
    rows = []
    for fault in library():
        mine = [row for row in document["played"] if row["name"] == fault.name]
        if mine:
            rows.append(_fault(fault, mine))
    head = ["fault", "what", "right", "found", "seen", "answered"]
    return "## Every fault\n\n" + table(head, rows)


def _fault(fault: Fault, mine: list[dict[str, Any]]) -> list[str]:
    right = f"{mine[0]['right_cause']}, {mine[0]['right_action']}".replace("_", " ")
    wrong = [row for row in mine if not (row["cause_is_right"] and row["action_is_right"])]
    found = f"right, {len(mine)} of {len(mine)}"
    if wrong:
        said = {", ".join([row["cause"], *row["further"], row["action"]]) for row in wrong}
        count = f"{len(mine) - len(wrong)} of {len(mine)}"
        found = f"{count}; **{'; '.join(sorted(said))}**".replace("_", " ")
    return [
        fault.name,
        fault.about,
        right,
        found,
        _seconds(mine, "seconds_to_detect"),
        _seconds(mine, "seconds_to_answer"),
    ]


def _seconds(mine: list[dict[str, Any]], name: str) -> str:
    known = [row[name] for row in mine if row[name] is not None]
    return f"{max(known):.1f} s" if known else ""


def _relabel(found: Mapping[str, Any], seeds: list[dict[str, Any]]) -> str:
    low, high = found["picked_ahead_interval"]
    text = f"""## Does labelling repair the model?

A site appears where other hands write. {found["labels"]} pictures of it are labelled, the model is
trained on with them beside a quarter of its first training set, and is asked digits of that site
which nobody labelled. Accuracy there before: {_share(found["accuracy_before"])}. Picked by the
service: **{_signed(found["relabel_gain_picked"])}**; drawn at random:
**{_signed(found["relabel_gain_random"])}**; ahead by {_signed(found["picked_ahead_by"])}
({_signed(low)} to {_signed(high)}, 95 % over {found["seeds"]} seeds). How to pick was chosen on
seeds 100 and 101, after the way before it had lost to chance on seeds 0 to 3. The old sites lose
{_share(found["old_sites_lose_picked"])} and {_share(found["old_sites_lose_random"])}.
"""
    rows = [
        [str(row["seed"]), *(_share(row[name]) for name in ("before", "picked", "random"))]
        for row in seeds
    ]
    return text + "\n" + table(["seed", "before", "picked", "random"], rows)


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f} points"
