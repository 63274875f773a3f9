"""``vigil demo``: set the stage, play the story, show the console."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import torch

from alerts.actions.targets.registry import LocalRegistry
from monitor.demo.configuration import (
    DEPLOYMENT,
    KEYS,
    MODEL,
    SECRETS,
    WINDOW_S,
    write_configuration,
)
from monitor.demo.fleet import Fleet
from monitor.demo.outcome import DemoResult, faults
from monitor.demo.past import Past
from monitor.demo.replay_server import ReplayServer
from monitor.demo.service import ServiceClient, ServiceProcess
from monitor.demo.stage import (
    HISTORY_WINDOWS,
    IMAGES_PER_CAMERA_S,
    Stage,
    build_baselines,
    build_model,
    make_history,
    put_secrets,
    release_first,
)
from monitor.demo.story import Story
from monitor.demo.telling import Telling
from monitor.services import Services, open_services
from monitor.settings.load import load_settings
from monitor.settings.schema import Settings
from monitor.standins.app import StandIns
from monitor.store import tokens
from vigil.tap import Tap

CHAOS_AFTER_S = 1.5


def run_demo(
    *,
    seed: int = 0,
    exit_when_done: bool = False,
    json_path: Path | None = None,
    port: int = 0,
    folder: Path | None = None,
    chaos: bool = False,
    history_windows: int = HISTORY_WINDOWS,
) -> int:
    """Play the demo; returns the process's exit code.

    Args:
        seed: another seed, another world.
        exit_when_done: end after the story, else keep the console open until interrupted.
        json_path: where to write what happened.
        port: of the console; 0 takes a free one.
        folder: for the demo's files; a temporary one where not given.
        chaos: kill -9 the service a moment after each fault begins, and start it again.
        history_windows: healthy windows that are back-filled first.
    """
    torch.set_num_threads(1)
    telling = Telling()
    telling.console.print(
        "[bold]vigil demo[/]  meter-reading cameras, three faults; nothing scripted past the fault"
    )
    place = folder or Path(tempfile.mkdtemp(prefix="vigil-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    put_secrets()
    with ExitStack() as stack:
        result, slices, url = _play(
            stack, telling, place.resolve(), seed, port or free_port(), chaos, history_windows
        )
        wrong = faults(result, expected_slices=slices)
        _tell_end(telling, result, wrong)
        if json_path is not None:
            json_path.write_text(json.dumps(result.to_json(), indent=2) + "\n")
        if not exit_when_done:
            _stay(telling, url)
    return 1 if wrong else 0


def _play(
    stack: ExitStack,
    telling: Telling,
    folder: Path,
    seed: int,
    port: int,
    chaos: bool,
    history_windows: int,
) -> tuple[DemoResult, dict[str, str | None], str]:
    telling.title("Setting the stage")
    standins = stack.enter_context(
        StandIns(
            slack_token=SECRETS["VIGIL_DEMO_SLACK_TOKEN"],
            routing_key=SECRETS["VIGIL_DEMO_PAGERDUTY_KEY"],
            log=folder / "sent.jsonl",
        )
    )
    past = Past(seed)
    stack.callback(past.close)
    stage = _train(telling, seed)
    replay = ReplayServer(stage.versions, SECRETS["VIGIL_DEMO_REPLAY_SECRET"])
    replay.start()
    stack.callback(replay.close)
    config = write_configuration(folder, port=port, replay_port=replay.port, standins=standins.url)
    settings = load_settings(config)
    services = open_services(settings)
    ingest_token, operator_token = _fill(
        telling, services, settings, stage, past, seed, folder, history_windows
    )
    past.close()
    services.close()

    process = ServiceProcess(config, folder / "service.log")
    process.start()
    stack.callback(process.stop)
    url = settings.service.url
    client = ServiceClient(url, operator_token, process)
    stack.callback(client.close)
    client.wait_ready()
    registry = LocalRegistry(folder / "registry.json")
    tap = Tap(
        MODEL,
        "v1",
        service=url,
        token=ingest_token,
        deployment=DEPLOYMENT,
        source="meter-fleet",
        keys=KEYS,
        window_s=WINDOW_S,
        spool=folder / "spool",
        sample_size=160,
        thumbnails=True,
    )
    stack.callback(tap.close)
    fleet = Fleet(
        stage.world,
        stage.cameras,
        stage.versions,
        tap=tap,
        serving=lambda: registry.serving(MODEL, DEPLOYMENT) or "v1",
        images_per_camera_s=IMAGES_PER_CAMERA_S,
        seed=seed,
    )
    fleet.start()
    stack.callback(fleet.stop)
    budget = settings.budget
    telling.line(
        f"live: {len(stage.cameras)} cameras, {len(stage.cameras) * IMAGES_PER_CAMERA_S} "
        f"images/s; console {url}   pages and chat {standins.url}"
    )
    telling.line(
        f"budget: {budget.false_pages:g} false page in {budget.per_days:g} day over everything "
        f"watched; with windows of {WINDOW_S:g} s a page needs evidence "
        f"{settings.threshold_ticks:,.0f}"
    )

    def kill_and_restart(name: str) -> None:
        time.sleep(CHAOS_AFTER_S)
        telling.line(f"chaos: kill -9 of the service during {name}; it starts again", "bold cyan")
        process.kill()
        process.start()

    story = Story(
        stage=stage,
        fleet=fleet,
        client=client,
        registry=registry.path,
        telling=telling,
        seed=seed,
        on_fault=kill_and_restart if chaos else lambda name: None,
    )
    return story.play(), story.slices, url


def _train(telling: Telling, seed: int) -> Stage:
    began = time.monotonic()
    with telling.progress("training the digit reader") as bar:
        stage = build_model(seed, lambda share: bar.update(bar.task_ids[0], completed=share))
    telling.line(
        f"v1 is trained: {stage.accuracy:.1%} right on held-out digits "
        f"({time.monotonic() - began:.1f} s)"
    )
    return stage


def _fill(
    telling: Telling,
    services: Services,
    settings: Settings,
    stage: Stage,
    past: Past,
    seed: int,
    folder: Path,
    windows: int,
) -> tuple[str, str]:
    began = time.monotonic()
    with telling.progress("building baselines") as bar:
        built = build_baselines(
            services, stage, seed, lambda share: bar.update(bar.task_ids[0], completed=share)
        )
    telling.line(
        f"baselines of {', '.join(built)}: {built['v1'].records} records each, v1 is "
        f"{built['v1'].sha256[:12]} ({time.monotonic() - began:.1f} s)"
    )
    release_first(services, folder / "registry.json")
    began = time.monotonic()
    with telling.progress("healthy history from real inference") as bar:
        report = make_history(
            services,
            settings.models[0],
            stage,
            past,
            windows=windows,
            progress=lambda share: bar.update(bar.task_ids[0], completed=share),
        )
    telling.line(
        f"history: {report.windows} windows, {report.records:,} inferences, {report.streams} "
        f"streams ({time.monotonic() - began:.1f} s)"
    )
    now = services.clock.now()
    with services.sessions.begin() as session:
        made = [
            tokens.create(session, name=name, scope=scope, actor="vigil demo", at=now)
            for name, scope in (("cameras", "ingest"), ("story", "operator"))
        ]
    return made[0], made[1]


def _tell_end(telling: Telling, result: DemoResult, wrong: object) -> None:
    telling.title("What happened")
    for one in result.scenarios:
        parts = [
            f"detected {_s(one.seconds_to_detect)}",
            f"told {_s(one.seconds_to_page)}",
            f"mitigated {_s(one.seconds_to_mitigate)}" if one.seconds_to_mitigate else "",
            "rollback refused" if one.refused else "",
            f"{one.relabel_items} images queued" if one.relabel_items else "",
            "recovered" if one.recovered else "",
        ]
        where = one.named_slice or "all traffic"
        telling.console.print(
            f"  {one.name:<15} {one.cause or 'not detected':<17} on {where:<18} "
            + ", ".join(part for part in parts if part),
            soft_wrap=True,
        )
    telling.console.print(f"  false pages     {result.false_pages}")
    for fault in wrong if isinstance(wrong, list) else []:
        telling.console.print(f"  [bold red]wrong: {fault}[/]")


def _s(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _stay(telling: Telling, url: str) -> None:
    telling.console.print(f"\n[bold]The console stays open at {url}[/]  (Ctrl-C ends the demo)")
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        telling.console.print("bye")


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
