"""Runs a program of the user's: no shell, a bounded time, a bounded output, few variables."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from alerts.notifiers.secrecy import Hidden

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What a program sees of the service's environment, beside what it is told to pass on."""

_MOST_OUTPUT = 4096
_GRACE_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandEnd:
    """Args:
    code: the exit code; None: it was not started, or ended by a signal or the time limit.
    said: the last line it printed, without secrets; or why there is no code.
    started: whether it ran at all.
    """

    code: int | None
    said: str
    started: bool = True


def run(
    argv: Sequence[str],
    *,
    stdin: bytes,
    variables: Mapping[str, str],
    pass_on: Sequence[str] = (),
    timeout_s: float = 60.0,
) -> CommandEnd:
    """Run it to its end. Never raises because the program can't be started or fails.

    Args:
        argv: the program and its arguments.
        stdin: what it reads.
        variables: set in its environment.
        pass_on: names of further variables of the service that it sees; their values are taken
            out of what it says.
        timeout_s: after that the program, and all it started, is ended.
    """
    secrets = [os.environ[name] for name in pass_on if os.environ.get(name)]
    seen = {name: os.environ[name] for name in (*PASSED_ON, *pass_on) if name in os.environ}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output:
        given.write(stdin)
        given.seek(0)
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=given,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**seen, **variables},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "not a valid argument"
            said = f"{os.path.basename(argv[0])} can't be started: {why}"
            return CommandEnd(code=None, said=said, started=False)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            end(process)
            return CommandEnd(code=None, said=f"it took more than {timeout_s:g} s and was ended")
        said = Hidden(*secrets)(_last_line(output))
    if code < 0:
        return CommandEnd(code=None, said=f"it was ended by signal {-code}. {said}".strip())
    return CommandEnd(code=code, said=said)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its whole session, so that nothing it started goes on changing things."""
    for each in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, each)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    process.wait()


def _last_line(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _MOST_OUTPUT))
    lines = output.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
