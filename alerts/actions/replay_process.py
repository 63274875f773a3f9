"""The process in which a function of the model's owner replays images (``replay_function``)."""

from __future__ import annotations

import importlib
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import numpy as np

from alerts.actions.replay import pack_reply, unpack_request
from alerts.actions.replay_function import ABSENT, FAILED, NO_FUNCTION, NO_MEMORY

_NICENESS = 10
_GRACE_S = 5


def main(arguments: list[str]) -> None:
    """Args: of the reply the file number, megabytes, seconds, ``module:function``."""
    reply, memory_mb, timeout_s = int(arguments[0]), int(arguments[1]), float(arguments[2])
    name = arguments[3]
    with suppress(OSError):
        os.nice(_NICENESS)
    # Should the service be killed meanwhile, nobody else ends this.
    signal.alarm(math.ceil(timeout_s) + _GRACE_S)
    most = memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    version, images = unpack_request(sys.stdin.buffer.read())
    function = _imported(name, reply)
    try:
        found = function(version, images.copy())
        probabilities, embeddings = found if isinstance(found, tuple) else (found, None)
        rows = np.asarray(probabilities, np.float32)
        features = None if embeddings is None else np.asarray(embeddings, np.float32)
        body = pack_reply(version, rows, features)
    except MemoryError as error:
        _end(NO_MEMORY, error, reply)
    except LookupError as error:
        _end(ABSENT, error, reply)
    except Exception as error:  # whatever people's code raises is no counterfactual
        _end(FAILED, error, reply)
    with os.fdopen(reply, "wb") as file:
        file.write(body)


def _imported(name: str, reply: int) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    except MemoryError as error:
        _end(NO_MEMORY, error, reply)
    except Exception as error:  # an import runs people's code
        _end(NO_FUNCTION, error, reply)
    return found


def _end(code: int, error: BaseException, reply: int) -> NoReturn:
    """Its name goes to the service; what it says, which may be a secret, to the log only."""
    if code != ABSENT:
        traceback.print_exception(error, file=sys.stderr)
    os.write(reply, type(error).__name__.encode())
    sys.stderr.flush()
    os._exit(code)
