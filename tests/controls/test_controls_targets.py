"""One contract for every target of controls: compared, set, and each plan once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from stub_receivers.server import ReceiverServer

from alerts.actions.targets.protocol import TargetState
from alerts.actions.targets.webhook import SignedWebhook
from monitor.controls.plan import ControlPlan
from monitor.controls.targets import CommandTarget, ControlTarget, FileTarget, WebhookTarget
from monitor.standins.faults import Fault
from monitor.standins.pipeline import PipelineStandIn
from vigil.clock import SystemClock

SECRET = "a-secret-of-the-webhook"
PLAN = ControlPlan(
    installation="0f3c",
    model="reader",
    deployment="production",
    what="threshold",
    name="accept",
    before="",
    after="0.8",
    turn=1,
)
PROGRAM = """
import json, os, sys
from pathlib import Path
path = Path(sys.argv[1])
state = json.loads(path.read_text()) if path.exists() else {"now": "", "done": []}
assert json.load(sys.stdin)["plan_id"] == os.environ["VIGIL_PLAN_ID"]
if os.environ["VIGIL_PLAN_ID"] in state["done"]:
    print("set by this plan")
    sys.exit(0)
if state["now"] != os.environ["VIGIL_BEFORE"]:
    print(f"found {state['now']}")
    sys.exit(12)
if sys.argv[2] != "execute":
    sys.exit(10)
state = {"now": os.environ["VIGIL_AFTER"], "done": [*state["done"], os.environ["VIGIL_PLAN_ID"]]}
path.write_text(json.dumps(state))
"""


@dataclass(frozen=True, kw_only=True)
class Rig:
    """``now``: the value, as the system itself has it."""

    target: ControlTarget
    now: Callable[[], str]


def a_file(folder: Path) -> Iterator[Rig]:
    target = FileTarget(folder / "controls.json")
    yield Rig(
        target=target,
        now=lambda: target.current("reader", "production", "threshold", "accept") or "",
    )


def a_webhook(folder: Path) -> Iterator[Rig]:
    del folder
    standin = PipelineStandIn(SystemClock(), secret=SECRET)
    with ReceiverServer(standin.answer).running() as url:
        key = ("reader", "production", "threshold", "accept")
        with closing(SignedWebhook(f"{url}/hook", SECRET)) as webhook:
            yield Rig(
                target=WebhookTarget(webhook),
                now=lambda: standin.controls.values.get(key, ""),
            )


def a_command(folder: Path) -> Iterator[Rig]:
    program, state = folder / "set.py", folder / "state.json"
    program.write_text(PROGRAM)
    yield Rig(
        target=CommandTarget(
            (sys.executable, str(program), str(state)), timeout_s=20.0, pass_on=()
        ),
        now=lambda: json.loads(state.read_text())["now"] if state.exists() else "",
    )


@pytest.fixture(params=[a_file, a_webhook, a_command])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    yield from request.param(tmp_path)


def test_a_plan_is_carried_out_once(rig: Rig) -> None:
    assert rig.target.status(PLAN).state is TargetState.READY
    assert rig.now() == ""
    assert rig.target.execute(PLAN).state is TargetState.EXECUTED
    assert rig.now() == "0.8"
    assert rig.target.status(PLAN).state is TargetState.EXECUTED
    assert rig.target.execute(PLAN).state is TargetState.EXECUTED


def test_a_plan_that_supposes_something_else_is_a_conflict(rig: Rig) -> None:
    assert rig.target.execute(PLAN).state is TargetState.EXECUTED
    late = replace(PLAN, after="0.9", turn=2)
    assert rig.target.status(late).state is TargetState.CONFLICT
    assert rig.target.execute(late).state is TargetState.CONFLICT
    assert rig.now() == "0.8"
    assert rig.target.execute(replace(late, before="0.8")).state is TargetState.EXECUTED
    assert rig.now() == "0.9"


def test_a_lost_answer_of_the_webhook_is_found_by_its_status() -> None:
    standin = PipelineStandIn(SystemClock(), secret=SECRET)
    with (
        ReceiverServer(standin.answer).running() as url,
        closing(SignedWebhook(f"{url}/hook", SECRET)) as webhook,
    ):
        target = WebhookTarget(webhook)
        for trouble in (Fault(status=503), Fault(status=429), Fault(lose_answer=True)):
            standin.faults.next(trouble)
            assert target.execute(PLAN).state is TargetState.UNCLEAR
        assert target.status(PLAN).state is TargetState.EXECUTED
        assert standin.controls.changes == 1


def test_a_receiver_that_refuses_ends_it_and_shows_no_secret() -> None:
    standin = PipelineStandIn(SystemClock(), secret="another secret")
    with (
        ReceiverServer(standin.answer).running() as url,
        closing(SignedWebhook(f"{url}/hook?key={SECRET}", SECRET)) as webhook,
    ):
        report = WebhookTarget(webhook).execute(PLAN)
    assert report.state is TargetState.FAILED
    assert SECRET not in report.text


def test_a_program_that_is_not_there_or_hangs(tmp_path: Path) -> None:
    gone = CommandTarget((str(tmp_path / "none"),), timeout_s=5.0, pass_on=())
    assert gone.execute(PLAN).state is TargetState.FAILED
    slow = tmp_path / "slow.py"
    slow.write_text("import time\ntime.sleep(60)\n")
    hangs = CommandTarget((sys.executable, str(slow)), timeout_s=0.3, pass_on=())
    assert hangs.execute(PLAN).state is TargetState.UNCLEAR


def test_a_folder_that_can_not_be_written_is_a_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    report = FileTarget(blocked / "controls.json").execute(PLAN)
    assert report.state is TargetState.FAILED
