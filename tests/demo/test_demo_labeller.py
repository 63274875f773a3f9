"""The stand-in that labels: it answers a queue's lists once, and only what it knows."""

from __future__ import annotations

import json

from monitor.standins.labeller import AUTHOR, answer


def test_each_list_is_answered_once_and_unknown_pictures_are_left_out(tmp_path):
    """A picture that it can't read gets no line; a second round writes nothing."""
    batch = tmp_path / "batch-1"
    batch.mkdir()
    items = [
        {"record_id": "a", "image": "images/0001.png"},
        {"record_id": "b", "image": None},
        {"record_id": "c", "image": "images/0003.png"},
    ]
    (batch / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    known = {"a": 7, "b": 2}
    assert answer(tmp_path, known.get) == [(batch / "images/0001.png", 7)]
    lines = (batch / "labels.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"record_id": "a", "label": 7, "author": AUTHOR},
        {"record_id": "b", "label": 2, "author": AUTHOR},
    ]
    known["c"] = 5
    assert answer(tmp_path, known.get) == []
    assert len((batch / "labels.jsonl").read_text().splitlines()) == 2
