"""Replay through a function of the model's owner, in a process of its own, where the inputs are.

``module:function`` is called as ``function(version, images)`` with images (n, h, w, c) uint8, and
gives probabilities (n, K), or those and embeddings (n, d). It raises ``LookupError`` where it does
not have the version. Whatever else it does (an exception, a hang, a crash of its process, more
memory than it may have), there is no counterfactual, and the service goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from alerts.actions.command import PASSED_ON, end
from alerts.actions.replay import (
    LIMIT_BYTES,
    NO_IMAGES,
    Replayed,
    ReplayError,
    pack_request,
    unpack_reply,
)
from vigil.errors import WireError

ABSENT, FAILED, NO_MEMORY, NO_FUNCTION = 3, 4, 5, 6
"""How the process ends where it has no reply: the version is not there, the function raised,
took too much memory, or could not be imported. The reply then holds the exception's name."""

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from alerts.actions.replay_process import main; main(sys.argv[2:])"
)


class FunctionReplay:
    """Args:
    function: ``module:function``.
    folder: searched for the module first; None: what the service itself can import.
    timeout_s: for the process, its start and imports included.
    memory_mb: that it may have, of data (``RLIMIT_DATA``); memory of a GPU does not count.
    pass_on: variables of the service that it sees, beside PATH and the like.
    """

    def __init__(
        self,
        function: str,
        *,
        folder: Path | None = None,
        timeout_s: float = 60.0,
        memory_mb: int = 4096,
        pass_on: Sequence[str] = (),
    ) -> None:
        self.function = function
        self._folder = folder
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._pass_on = tuple(pass_on)

    def replay(self, version: str, images: NDArray[np.uint8]) -> Replayed:
        """Run ``images`` (n, h, w, c) through ``version``.

        Raises:
            ReplayError: no images, nothing in time, an exception, or an answer that does not fit.
        """
        if not len(images):
            raise ReplayError(NO_IMAGES)
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as reply:
            given.write(pack_request(version, np.ascontiguousarray(images, np.uint8)))
            given.seek(0)
            self._call(version, given, reply)
            reply.seek(0)
            raw = reply.read(LIMIT_BYTES + 1)
        try:
            return unpack_reply(raw, version=version, records=len(images))
        except WireError as error:
            raise ReplayError(f"the answer of {self.function} does not fit: {error}") from None

    def _call(self, version: str, given: IO[bytes], reply: IO[bytes]) -> None:
        folder = [str(self._folder)] if self._folder is not None else []
        # The caller's path, so that its vigil is found; not the working folder's modules.
        path = [*folder, *(os.path.abspath(entry) for entry in sys.path if entry)]
        more = [str(reply.fileno()), str(self._memory_mb), str(self._timeout_s), self.function]
        seen = (*PASSED_ON, "LD_LIBRARY_PATH", "OMP_NUM_THREADS", *self._pass_on)
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps(path), *more],
                stdin=given,
                stdout=sys.stderr.fileno() if _has_file(sys.stderr) else subprocess.DEVNULL,
                pass_fds=[reply.fileno()],
                env={name: os.environ[name] for name in seen if name in os.environ},
                start_new_session=True,
            )
        except OSError as error:
            raise ReplayError(f"{self.function} can't be started: {error.strerror}") from None
        try:
            code = process.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            end(process)
            raise ReplayError(
                f"{self.function} gave no answer within {self._timeout_s:g} s"
            ) from None
        if code:
            reply.seek(0)
            raise ReplayError(self._told(code, version, reply.read(200).decode("utf-8", "replace")))

    def _told(self, code: int, version: str, name: str) -> str:
        match code:
            case 3:
                return f"{self.function} does not have {version}"
            case 4:
                return f"{self.function} raised {name or 'an exception'}"
            case 5:
                return f"{self.function} needs more than {self._memory_mb} MB"
            case 6:
                return f"{self.function} can't be imported ({name or 'an exception'})"
        if code < 0:
            return f"{self.function} was ended by signal {-code}"
        return f"{self.function} ended with exit code {code}"


def _has_file(stream: IO[str]) -> bool:
    try:
        return stream.fileno() >= 0
    except (OSError, ValueError, AttributeError):
        return False
