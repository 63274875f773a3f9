"""Settings of label queues: what fits together, and what is told to be wrong with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.labelling.queues import label_queues
from monitor.settings.load import SettingsError, parse_settings
from vigil.errors import ConfigError

FILE = Path("/etc/vigil/vigil.toml")
NAMES = 'class_names = ["cat", "dog"]'
STUDIO = 'kind = "label-studio", url = "https://ls.example", token = { env = "LS_TOKEN" }'
LABELBOX = (
    'kind = "labelbox", project = "clproject1", dataset = "cldataset1", '
    'token = { env = "LABELBOX_KEY" }'
)
CVAT = 'kind = "cvat", url = "http://127.0.0.1:8080", token = { env = "CVAT_TOKEN" }'


def model(relabel: str, more: str = NAMES) -> str:
    return f'[[models]]\nname = "reader"\n{more}\n[models.relabel]\n{relabel}\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (model('folder = "a"\nqueue = { kind = "files", url = "b" }'), "folder or queue"),
        (model('queue = { kind = "files", url = "nope://x" }'), "queue.url: expected a folder"),
        (
            model('queue = { kind = "files", url = "sftp://bob:hunter2@host/x" }'),
            "queue.url: expected a place without a name or password",
        ),
        (
            model(f"queue = {{ {STUDIO.replace('//', '//bob:hunter2@')} }}"),
            "queue.url: expected a place without a name or password",
        ),
        (model(f"queue = {{ {STUDIO} }}", ""), "class_names: expected the name of each class"),
        (model(f"queue = {{ {STUDIO} }}", 'class_names = ["a", "a"]'), "class_names: expected"),
        (
            model(f"queue = {{ {STUDIO.replace('https', 'http')} }}"),
            "queue.url: expected an https address",
        ),
        (model('queue = { kind = "paper" }'), "queue.kind: expected"),
        (
            model(
                'folder = "a"\nquotas = [{ slice = "a=b", share = 0.6 }, '
                '{ slice = "a=c", share = 0.6 }]'
            ),
            "add up to 1 at most",
        ),
        (model('folder = "a"\nassign = [{ slice = "nonsense", to = "ann" }]'), "slice"),
        (model('folder = "a"\ngold_share = 1.5'), "gold_share: expected less than or equal to 1"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as told:
        parse_settings(text, FILE)
    assert said in str(told.value)
    assert "hunter2" not in str(told.value)


def test_each_kind_of_queue_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder is relative to the file; names tell place and project."""
    monkeypatch.setenv("LS_TOKEN", "secret-1")
    monkeypatch.setenv("CVAT_TOKEN", "secret-2")
    monkeypatch.setenv("LABELBOX_KEY", "secret-3")
    found = {}
    for relabel in (
        'folder = "labels"',
        'queue = { kind = "files", url = "labels", formats = ["coco"] }',
        f"queue = {{ {STUDIO}, project = 3 }}",
        f"queue = {{ {CVAT} }}",
        f"queue = {{ {LABELBOX} }}",
    ):
        queues = label_queues(parse_settings(model(relabel), tmp_path / "vigil.toml"))
        (queue,) = queues.values()
        found[relabel] = queue.name
        if hasattr(queue, "close"):
            queue.close()
    assert list(found.values()) == [
        f"files {tmp_path}/labels",
        f"files {tmp_path}/labels",
        "label-studio https://ls.example 3",
        "cvat http://127.0.0.1:8080 vigil reader production",
        "labelbox https://api.labelbox.com clproject1",
    ]


def test_boxes_come_from_queues_that_can_hold_them() -> None:
    """One class is enough for boxes; Labelbox answers a question about classes."""
    boxes = 'labels = "boxes"'
    with pytest.raises(SettingsError, match='labels: expected "classes", because boxes come'):
        parse_settings(model(f"queue = {{ {LABELBOX} }}\n{boxes}"), FILE)
    one_class = model(f"queue = {{ {CVAT} }}\n{boxes}", 'class_names = ["cat"]')
    (watched,) = parse_settings(one_class, FILE).models
    assert watched.relabel.labels == "boxes"
    with pytest.raises(SettingsError, match="the name of each class"):
        parse_settings(model(f"queue = {{ {CVAT} }}", 'class_names = ["cat"]'), FILE)


def test_a_token_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LS_TOKEN", raising=False)
    with pytest.raises(ConfigError, match=r"relabel.queue.token: expected the secret .*LS_TOKEN"):
        label_queues(parse_settings(model(f"queue = {{ {STUDIO} }}"), FILE))
