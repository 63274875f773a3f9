"""A program of the user's as a rollback target: exit codes, time, output, what it can see."""

from __future__ import annotations

import os
import stat
import sys
import time

import pytest
from test_target_contract import CONFLICT, EXECUTED, FAILED, PENDING, READY, UNCLEAR, a_plan

from alerts.actions.command import run
from alerts.actions.targets.command import CommandTarget

PLAN = a_plan("command")


def program(body: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-E", "-c", body)


@pytest.mark.parametrize(
    ("code", "dry_run", "others"),
    [
        (0, READY, EXECUTED),
        (10, READY, READY),
        (11, PENDING, PENDING),
        (12, CONFLICT, CONFLICT),
        (13, FAILED, FAILED),
        (1, UNCLEAR, UNCLEAR),
        (2, UNCLEAR, UNCLEAR),
        (127, UNCLEAR, UNCLEAR),
    ],
)
def test_the_exit_code_is_the_answer(code, dry_run, others):
    """A traceback ends with 1: what it had done by then is not known."""
    target = CommandTarget(program(f"import sys; sys.exit({code})"))
    assert target.dry_run(PLAN).state is dry_run
    assert target.execute(PLAN).state is others
    assert target.verify(PLAN).state is others


def test_the_last_line_is_shown():
    """Of standard output and errors together, cut to a line."""
    target = CommandTarget(
        program("print('first'); print('x' * 9000); print('it is done \\x1b[1m ')")
    )
    assert target.execute(PLAN).text == "it is done [1m"
    silent = CommandTarget(program("import sys; sys.exit(12)"))
    assert silent.execute(PLAN).text == "the program ended with 12"


def test_output_is_read_to_a_limit():
    """A program that prints for ever fills no memory; a line without end is cut."""
    body = "import sys\nfor _ in range(200): sys.stdout.write('y' * 10**5)"
    end = run(program(body), stdin=b"", variables={})
    assert (end.code, len(end.said) <= 300) == (0, True)


def test_a_program_that_does_not_end_is_ended_with_all_it_started(tmp_path):
    """Unclear; and no child goes on changing things afterwards."""
    file = tmp_path / "beats"
    beat = f"import time\nwhile True:\n open({str(file)!r}, 'a').write('.')\n time.sleep(0.02)"
    body = (
        f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-S', '-c', {beat!r}])\n"
    )
    target = CommandTarget(program(body + "time.sleep(60)"), timeout_s=1.5)
    report = target.execute(PLAN)
    assert (report.state, "took more than 1.5 s" in report.text) == (UNCLEAR, True)
    size = file.stat().st_size if file.exists() else 0
    time.sleep(0.2)
    assert (file.stat().st_size if file.exists() else 0) == size


def test_a_program_that_ignores_the_request_to_end_is_killed():
    body = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
    end = run(program(body), stdin=b"", variables={}, timeout_s=0.5)
    assert end.code is None
    assert end.started


def test_a_program_that_dies_is_unclear():
    target = CommandTarget(program("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    report = target.execute(PLAN)
    assert (report.state, "signal 9" in report.text) == (UNCLEAR, True)


def test_a_program_that_can_not_be_started_has_surely_done_nothing(tmp_path):
    """Not there, not allowed, not a program: failed, with the reason."""
    plain = tmp_path / "plain"
    plain.write_text("not a program")
    for path, why in ((tmp_path / "gone", "No such file"), (plain, "Permission denied")):
        target = CommandTarget((str(path),))
        report = target.execute(PLAN)
        assert report.state is FAILED
        assert f"{path.name} can't be started: {why}" in report.text
        assert target.verify(PLAN).state is UNCLEAR
    plain.chmod(plain.stat().st_mode | stat.S_IXUSR)
    assert "can't be started" in CommandTarget((str(plain),)).execute(PLAN).text
    assert CommandTarget(("a\0b",)).execute(PLAN).state is FAILED


def test_no_shell_reads_the_arguments(tmp_path):
    """A version with quotes and semicolons is a version."""
    made = tmp_path / "made"
    nasty = a_plan("command", to_version=f"v1; touch {made} $(touch {made})")
    body = "import os, sys; print(sys.argv[1:], os.environ['VIGIL_TO_VERSION'])"
    report = CommandTarget((*program(body), "a b")).execute(nasty)
    assert report.text == f"['a b', 'execute'] {nasty.to_version}"
    assert not made.exists()


def test_it_sees_little_of_the_service_s_environment(monkeypatch):
    """Secrets of the service are not for programs; what is passed on is not shown."""
    monkeypatch.setenv("VIGIL_SLACK_TOKEN", "xoxb-secret-of-the-service")
    monkeypatch.setenv("DEPLOY_TOKEN", "secret-for-the-program")
    body = "import os; print(sorted(os.environ), os.environ.get('DEPLOY_TOKEN'))"
    text = CommandTarget(program(body)).execute(PLAN).text
    assert "VIGIL_PLAN_ID" in text
    assert "SLACK" not in text
    assert "DEPLOY_TOKEN" not in text
    passed = CommandTarget(program(body), pass_on=["DEPLOY_TOKEN", "NOT_SET"]).execute(PLAN).text
    assert "DEPLOY_TOKEN" in passed
    assert "secret-for-the-program" not in passed
    assert os.environ["DEPLOY_TOKEN"] == "secret-for-the-program"
