"""Controls that people and vigil set while a model runs: thresholds, flags, shares, a kill switch.

They stand in one small JSON file that the service writes and your process reads::

    from vigil.controls import ControlsFile

    controls = ControlsFile("/run/vigil/controls.json", model="reader")
    if controls.killed:
        return fall_back(image)
    accepted = confidence >= controls.threshold("accept", default=0.7)

Reading looks at the file's time at most once a second. A file that is missing, or can't be read,
changes nothing: what was read last holds, else the defaults. It never raises.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

FORMAT = 1
THRESHOLD, FLAG, SHARE, KILL = "threshold", "flag", "share", "kill"
ON, OFF = "on", "off"

Values = Mapping[str, Mapping[str, str]]


def values_in(raw: bytes, model: str, deployment: str) -> dict[str, dict[str, str]]:
    """What a file of controls says of a model: kind -> name -> value.

    Raises:
        ValueError: not such a file.
    """
    plain = json.loads(raw)
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise ValueError(f"expected controls of format {FORMAT}")
    found = plain.get("controls", {}).get(model, {}).get(deployment, {})
    return {
        str(kind): {str(name): str(value) for name, value in values.items()}
        for kind, values in found.items()
    }


class ControlsFile:
    """The controls of one model in one deployment, as the file has them now.

    Args:
        path: of the file. model, deployment: as the tap names them.
        every_s: how often the file is looked at, at most.
        now_s: a clock that only goes forward.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        model: str,
        deployment: str = "production",
        every_s: float = 1.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = Path(path)
        self._family = (model, deployment)
        self._every_s, self._now_s = every_s, now_s
        self._looked_s = -math.inf
        self._seen: tuple[int, int, int] | None = None
        self._values: Values = {}
        self.problem = ""
        """Why the last look found nothing to read; empty where it did."""

    def threshold(self, name: str, default: float) -> float:
        """A threshold, such as the confidence from which an answer is accepted."""
        return _number(self._get(THRESHOLD, name), default)

    def share(self, name: str, default: float) -> float:
        """A share of traffic, 0 to 1, such as that of a version."""
        return min(max(_number(self._get(SHARE, name), default), 0.0), 1.0)

    def flag(self, name: str, default: bool = False) -> bool:
        """A feature flag."""
        said = self._get(FLAG, name)
        return default if said not in (ON, OFF) else said == ON

    @property
    def killed(self) -> bool:
        """Whether the model is to give no answers."""
        return self._get(KILL, "") == ON

    def _get(self, kind: str, name: str) -> str | None:
        self._look()
        return self._values.get(kind, {}).get(name)

    def _look(self) -> None:
        now_s = self._now_s()
        if now_s - self._looked_s < self._every_s:
            return
        self._looked_s = now_s
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_ino, status.st_size)
            if seen == self._seen:
                return
            self._values = values_in(self._path.read_bytes(), *self._family)
            self._seen, self.problem = seen, ""
        except (OSError, ValueError, AttributeError, TypeError) as error:
            self.problem = f"{self._path}: {error}"


def _number(said: str | None, default: float) -> float:
    try:
        value = float(said) if said is not None else default
    except ValueError:
        return default
    return value if math.isfinite(value) else default
