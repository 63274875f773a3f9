"""What to install when a library is not there. Imports the standard library only."""

from __future__ import annotations

OURS = ("vigil", "detectors", "runbooks", "alerts", "monitor", "dashboards", "migrations")
EXTRA_OF = {
    "evidently": "reports",
    "grafana_client": "grafana",
    "hpack": "proxy",
    "pandas": "reports",
    "psycopg": "postgres",
    "psycopg2": "postgres",
    "pynvml": "gpu",
    "requests": "grafana",
    "sklearn": "demo",
    "torch": "demo",
}


def advice(error: ModuleNotFoundError) -> str | None:
    """One line on how to install what is missing; None where the fault is ours."""
    module = (error.name or "").partition(".")[0]
    if not module or module in OURS:
        return None
    extra = EXTRA_OF.get(module, "server")
    return f"{module} is not installed, and this command needs it: pip install 'vigil-cv[{extra}]'"
