"""The same batch given to other collectors, each in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "peer_programs"
PEERS = ("whylogs", "evidently", "prometheus-client")


def peers() -> dict[str, Any]:
    """What each peer's program says; a note where it is not installed or fails."""
    return {name: _peer(name) for name in PEERS}


def _peer(name: str) -> Any:
    python = ROOT / ".make" / "servers" / f"bench-{name}" / "bin" / "python"
    if not python.exists():
        return {"skipped": "not installed: make bench-collector does it where it can"}
    program = PROGRAMS / f"{name.replace('-', '_')}.py"
    done = subprocess.run(
        [python, program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"skipped": f"failed: {last:.200}"}
    return json.loads(done.stdout.strip().splitlines()[-1])
