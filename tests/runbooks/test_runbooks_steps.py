"""Steps are numbered through a page, so that a number names one for good."""

from __future__ import annotations

import pytest

from runbooks.library import load
from runbooks.steps import Step, renumbered, steps_in

PAGE = """Text 1. not a step.

## Confirm

1. Open [the incident]({{ incident_url }}) and *look*.
2. Ask:

   ```
   1. not a step
   ```

   1. an inner list is part of its step

## Act

1. Run `vigil status`.

```
2. code
```
"""


def test_steps_are_counted_through_the_page():
    assert [step.number for step in steps_in(PAGE)] == [1, 2, 3]
    assert steps_in(PAGE)[0] == Step(number=1, text="Open the incident and look.")
    assert steps_in(PAGE)[2].text == "Run vigil status."


def test_lists_that_begin_anew_are_renumbered_and_nothing_else_is_touched():
    changed = renumbered(PAGE)
    assert "3. Run `vigil status`." in changed
    assert "   1. an inner list" in changed
    assert "2. code" in changed
    assert renumbered(changed) == changed


@pytest.mark.parametrize("book", list(load()), ids=lambda book: book.name)
def test_every_page_has_the_same_parts_and_is_numbered_as_written(book):
    """Confirm, decide, act, verify, follow up: one knows one's way at night."""
    headings = [line[3:] for line in book.body.splitlines() if line.startswith("## ")]
    assert headings == ["Confirm", "Decide", "Act", "Verify", "Follow up"]
    assert "**What it means.**" in book.body
    assert len(book.steps) >= 5
