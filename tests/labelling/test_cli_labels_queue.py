"""``vigil labels queue``, ``pull`` and ``withdraw`` on a folder queue, from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from incident_rows import task_row
from typer.testing import CliRunner

from monitor.cli.app import app
from monitor.labelling.queues import label_queues
from monitor.labelling.sending import send
from monitor.services import open_services
from monitor.settings.load import load_settings
from monitor.store.tables import LabelRow, LabelTaskRow


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Three tasks of one batch lie in the folder ``labels``."""
    file = tmp_path / "vigil.toml"
    file.write_text(
        '[service]\ndatabase = "sqlite:///v.db"\nsamples = "samples"\n'
        '[[models]]\nname = "reader"\nclass_names = ["cat", "dog"]\n'
        '[models.relabel]\nfolder = "labels"\n'
    )
    settings = load_settings(file)
    services = open_services(settings)
    with services.sessions.begin() as session:
        now = services.clock.now()
        for k in (1, 2, 3):
            data = {"prediction": 0, "top": [[0, 0.6]]}
            session.add(task_row(record_id=f"r{k}", rank=k, picked_at=now, data=data))
    (queue,) = label_queues(settings).values()
    send(services, queue, "batch")
    services.close()
    return file


def run(config: Path, *words: str) -> str:
    result = CliRunner().invoke(app, ["labels", *words, "--config", str(config)])
    assert result.exit_code == 0, result.output
    return result.output


def rows(config: Path, table: type) -> list:  # type: ignore[type-arg]
    services = open_services(load_settings(config))
    with services.sessions() as session:
        found = session.query(table).order_by(table.id).all()
    services.close()
    return found


def test_a_label_written_into_the_folder_is_pulled(config: Path) -> None:
    assert "3" in run(config, "queue")
    labels = config.parent / "labels" / "batch" / "labels.jsonl"
    labels.write_text('{"record_id": "r2", "label": "dog", "author": "ann"}\n{"record_id": 1}\n')
    out = run(config, "pull")
    assert out.startswith("reader (production): 1 labelled; ")
    assert "labels.jsonl: line 2: expected task or record_id" in out
    (label,) = rows(config, LabelRow)
    assert (label.record_id, label.label, label.author) == ("r2", 1, "ann")
    (line,) = json.loads(run(config, "queue", "--json"))
    assert (line["waiting"], line["labelled"]) == (2, 1)
    (batch,) = json.loads(run(config, "queue", "--batches", "--json"))
    assert (batch["batch"], batch["tasks"], batch["waiting"]) == ("batch", 3, 2)
    assert run(config, "pull").startswith("reader (production): 0 labelled")


def test_what_waits_is_withdrawn_and_what_is_labelled_stays(config: Path) -> None:
    labels = config.parent / "labels" / "batch" / "labels.jsonl"
    labels.write_text('{"record_id": "r1", "label": 0}\n')
    run(config, "pull")
    assert run(config, "withdraw", "--batch", "batch", "-m", "wrong camera") == "2 withdrawn\n"
    found = rows(config, LabelTaskRow)
    assert [row.state for row in found] == ["labelled", "withdrawing", "withdrawing"]
    assert found[1].problem.endswith(": wrong camera")
    assert run(config, "withdraw", "--batch", "batch") == "0 withdrawn\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("withdraw",), "either --batch or --incident"),
        (("withdraw", "--batch", "a", "--incident", "1"), "either --batch or --incident"),
        (("withdraw", "--batch", "never"), "no batch 'never'"),
        (("withdraw", "--incident", "99"), "nothing was picked for incident 99"),
        (("pull", "--model", "other"), "no label queue of other"),
    ],
)
def test_what_can_not_be_done_says_why(config: Path, words: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, ["labels", *words, "--config", str(config)])
    assert result.exit_code != 0
    assert said in result.output + str(result.exception)


def test_a_queue_that_fails_ends_with_an_error(config: Path) -> None:
    """Another program's file stands where the labels should be."""
    batch = config.parent / "labels" / "batch"
    (batch / "labels.jsonl").mkdir()
    result = CliRunner().invoke(app, ["labels", "pull", "--config", str(config)])
    assert result.exit_code == 1
    assert "labels.jsonl: Is a directory" in result.output
