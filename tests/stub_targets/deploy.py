"""A program as a user would write it: it keeps what serves in a JSON file beside it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

READY, CONFLICT, FAILED = 10, 12, 13


def main(file: Path, action: str) -> int:
    asked = json.load(sys.stdin)
    assert asked["action"] == action == os.environ["VIGIL_ACTION"]
    assert asked["plan_id"] == os.environ["VIGIL_PLAN_ID"]
    to_version = os.environ["VIGIL_TO_VERSION"]
    if not file.exists():
        print("there is no such deployment")
        return FAILED
    state = json.loads(file.read_text())
    serving = state["history"][-1]
    if action == "verify":
        print(f"{serving} serves")
        return 0 if serving == to_version else CONFLICT
    if action != "dry_run" and asked["plan_id"] in state["plans"]:
        print(f"{to_version} was put back")
        return 0
    if serving != os.environ["VIGIL_FROM_VERSION"]:
        print(f"{serving} serves")
        return CONFLICT
    if to_version not in state["history"]:
        print(f"{to_version} is not known")
        return FAILED
    if action == "dry_run":
        return 0
    if action == "status":
        return READY
    state["history"].append(to_version)
    state["plans"].append(asked["plan_id"])
    file.write_text(json.dumps(state))
    print(f"{to_version} serves")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
