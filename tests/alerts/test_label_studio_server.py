"""The Label Studio queue on its own server; and that the stub refuses what the server refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from heavy_servers import home, started
from label_tasks import refs_of, some_tasks
from stub_queues.label_studio import LabelStudioStub
from stub_queues.rigs import NAMES
from stub_receivers.server import ReceiverServer, Trouble

from alerts.actions.queues.boxes import Box
from alerts.actions.queues.label_studio import LabelStudioQueue
from alerts.actions.queues.protocol import NONE_OF_THESE, LabelQueueError

TOKEN = "0123456789abcdef0123456789abcdef01234567"
START = "import sys; sys.argv[0] = 'label-studio'; from label_studio.server import main; main()"

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    python = home("label-studio") / "bin" / "python"
    folder = tmp_path_factory.mktemp("label-studio")

    def command(port: str) -> list[str | Path]:
        return [
            *(python, "-c", START, "start", "--no-browser"),
            *("--internal-host", "127.0.0.1", "--port", port),
            *("--username", "ann@example.com", "--password", "not-so-secret-1"),
            *("--user-token", TOKEN),
        ]

    environment = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "False",
        "SSRF_PROTECTION_ENABLED": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    with started(folder, command, environment=environment) as url:
        yield url


class Person:
    """Who labels in the browser."""

    def __init__(self, url: str, token: str = TOKEN) -> None:
        self.url = url
        self.headers = {"Authorization": f"Token {token}"}

    def ask(self, method: str, path: str, plain: Any = None, **params: str) -> httpx.Response:
        return httpx.request(
            method,
            f"{self.url}/api{path}",
            json=plain,
            params=params,
            headers=self.headers,
            timeout=60.0,
        )

    def says(self, number: str, choice: str | None) -> int:
        value = {"choices": [choice]}
        item = {"from_name": "class", "to_name": "image", "type": "choices", "value": value}
        plain = {"result": [item] if choice else [], "was_cancelled": not choice, "lead_time": 2.5}
        answer = self.ask("POST", f"/tasks/{number}/annotations/", plain)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def queue_on(url: str, stack: ExitStack, title: str, **more: Any) -> LabelStudioQueue:
    queue = LabelStudioQueue(url, TOKEN, class_names=NAMES, title=title, timeout_s=60.0, **more)
    stack.callback(queue.close)
    return queue


def test_tasks_go_in_once_and_labels_come_back(server: str, stack: ExitStack) -> None:
    """Set-up, import with a pre-annotation, a changed mind, a skip, none of these, withdrawal."""
    queue, person = queue_on(server, stack, "one"), Person(server)
    tasks = some_tasks(60)
    placed = queue.put(tasks)
    assert queue_on(server, stack, "one").put(tasks).ids == placed.ids
    shown = person.ask("GET", f"/tasks/{placed.ids['here-7']}").json()
    assert shown["data"]["vigil_task"] == shown["meta"]["vigil_task"] == "here-7"
    assert shown["predictions"][0]["result"][0]["value"]["choices"] == [NAMES[1]]
    assert shown["data"]["image"].startswith("data:image/png;base64,")
    number = person.says(placed.ids["here-7"], NAMES[0])
    person.says(placed.ids["here-8"], "none of these")
    person.says(placed.ids["here-9"], None)
    refs = refs_of(tasks, placed)
    poll = queue.poll(refs, since=None)
    assert {one.task: one.label for one in poll.annotations} == {
        "here-7": 0,
        "here-8": NONE_OF_THESE,
    }
    assert poll.problems == ()
    first = poll.annotations[0]
    assert (first.author, first.lead_time_s) == ("ann@example.com", 2.5)
    assert abs(first.at - datetime.now(UTC)) < timedelta(minutes=5)
    assert queue.poll(refs, since=datetime.now(UTC) + timedelta(minutes=1)).annotations == ()
    before = datetime.now(UTC)
    item = {"from_name": "class", "to_name": "image", "type": "choices"}
    changed = {"result": [{**item, "value": {"choices": [NAMES[2]]}}]}
    assert person.ask("PATCH", f"/annotations/{number}/", changed).status_code == 200
    again = queue.poll(refs, since=before - timedelta(seconds=1)).annotations
    assert (str(number), 2) in [(one.external_id, one.label) for one in again]
    queue.withdraw(refs[:50])
    queue.withdraw(refs[:50])
    assert person.ask("GET", f"/tasks/{placed.ids['here-7']}").status_code == 404
    assert person.ask("GET", f"/tasks/{placed.ids['here-60']}").status_code == 200


def test_what_came_twice_is_made_one(server: str, stack: ExitStack) -> None:
    """Import is not idempotent: what was imported again leaves, but not a labelled twin."""
    queue, person = queue_on(server, stack, "two"), Person(server)
    tasks = some_tasks(2)
    placed = queue.put(tasks)
    project = placed.location.rpartition("/")[2]
    plain = [queue._plain(task) for task in tasks]
    twins = person.ask("POST", f"/projects/{project}/import", plain, return_task_ids="true").json()
    labelled = str(twins["task_ids"][0])
    person.says(labelled, NAMES[0])
    assert queue.put(tasks).ids == {"here-1": labelled, "here-2": placed.ids["here-2"]}
    assert person.ask("GET", "/tasks", project=project).json()["total"] == 2


def test_its_webhook_calls_and_gives_up_after_a_second(server: str, stack: ExitStack) -> None:
    """With our header and without any picture; one that hangs holds up nobody for long."""
    called = ReceiverServer(lambda request: pytest.fail("never"))
    called.then(Trouble(status=202), Trouble(how="hang"))
    with called.running() as url:
        hook = (f"{url}/hook", {"Authorization": "Bearer vgl_x"})
        queue, person = queue_on(server, stack, "three", webhook=hook), Person(server)
        tasks = some_tasks(2, image=None, uri="https://example.com/1.png")
        placed = queue.put(tasks)
        person.says(placed.ids["here-1"], NAMES[0])
        person.says(placed.ids["here-2"], NAMES[0])
        assert len(called.seen) >= 1
        assert called.seen[0].header("Authorization") == "Bearer vgl_x"
        assert b"example.com" not in called.seen[0].body
        assert len(queue.poll(refs_of(tasks, placed), since=None).annotations) == 2
        queue_on(server, stack, "three", webhook=hook).put(tasks)
        project = placed.location.rpartition("/")[2]
        assert len(person.ask("GET", "/webhooks/", project=project).json()) == 1


def test_a_project_without_our_classes_is_refused(server: str, stack: ExitStack) -> None:
    project = queue_on(server, stack, "four").put(some_tasks(1)).location.rpartition("/")[2]
    other = LabelStudioQueue(
        server, TOKEN, class_names=("tram", "dog"), title="x", project=int(project)
    )
    stack.callback(other.close)
    with pytest.raises(LabelQueueError, match="missing tram"):
        other.put(some_tasks(1))
    gone = LabelStudioQueue(server, TOKEN, class_names=NAMES, title="x", project=99_999)
    stack.callback(gone.close)
    with pytest.raises(LabelQueueError, match="project 99999, found none"):
        gone.put(some_tasks(1))


def test_the_stub_refuses_what_the_server_refuses(server: str, stack: ExitStack) -> None:
    """The same status to the same mistake."""
    stub = ReceiverServer(LabelStudioStub(TOKEN, datetime.now(UTC)))
    with stub.running() as url:
        answers = []
        for place in (server, url):
            queue, person = queue_on(place, stack, "five"), Person(place)
            placed = queue.put(some_tasks(1))
            project = placed.location.rpartition("/")[2]
            moment = '{"filters":{"conjunction":"and","items":[{"filter":"filter:tasks:updated_at",'
            moment += '"operator":"greater","type":"Datetime","value":"2030-01-01T00:00:00Z"}]}}'
            listed = {"project": project, "page_size": "10", "fields": "all"}
            broken = {"title": "broken", "label_config": "<View><Im"}
            answers.append(
                [
                    Person(place, "wrong").ask("GET", "/projects").status_code,
                    person.ask("GET", "/projects/99999").status_code,
                    person.ask(
                        "POST",
                        f"/projects/{project}/import",
                        [{"data": {"x": 1}}],
                        return_task_ids="true",
                    ).status_code,
                    person.ask("POST", "/projects", broken).status_code,
                    person.ask("GET", "/tasks", query=moment, page="1", **listed).status_code,
                    person.ask("GET", "/tasks", query=ALL, page="9", **listed).status_code,
                    person.ask(
                        "POST",
                        "/dm/actions",
                        {"selectedItems": {"all": False, "included": [99_999]}},
                        id="delete_tasks",
                        project=project,
                    ).status_code,
                ]
            )
    assert answers[0] == answers[1] == [401, 404, 400, 400, 500, 404, 200]


ALL = '{"filters":{"conjunction":"and","items":[]}}'


def test_boxes_go_in_as_predictions_and_come_back_as_people_drew_them(
    server: str, stack: ExitStack
) -> None:
    """As the editor sends them: percent of the image, and the size of what was seen."""
    queue, person = queue_on(server, stack, "boxes", boxes=True), Person(server)
    tasks = some_tasks(
        3, prediction=-1, boxes=(Box(sides=(0.1, 0.2, 0.5, 0.6), label=0, score=0.7),)
    )
    placed = queue.put(tasks)
    shown = person.ask("GET", f"/tasks/{placed.ids['here-1']}").json()
    (box,) = shown["predictions"][0]["result"]
    assert box["value"]["rectanglelabels"] == [NAMES[0]]
    value = {"x": 25.0, "y": 50.0, "width": 50.0, "height": 50.0, "rotation": 0}
    drawn = {
        "id": "r1",
        "from_name": "boxes",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": 200,
        "original_height": 100,
        "value": {**value, "rectanglelabels": [NAMES[1]]},
    }
    for name, result in (("here-1", [drawn]), ("here-2", [])):
        answer = person.ask(
            "POST", f"/tasks/{placed.ids[name]}/annotations/", {"result": result, "lead_time": 2.0}
        )
        assert answer.status_code == 201, answer.text
    poll = queue.poll(refs_of(tasks, placed), since=None)
    assert poll.problems == ()
    assert {one.task: one.boxes for one in poll.annotations} == {
        "here-1": (Box(sides=(0.25, 0.5, 0.75, 1.0), label=1),),
        "here-2": (),
    }
