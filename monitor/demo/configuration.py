"""The demo's ``vigil.toml``: an ordinary one, with short windows and stand-ins for receivers."""

from __future__ import annotations

from pathlib import Path

MODEL = "meter-reader"
DEPLOYMENT = "production"
KEYS = ("site", "camera")
WINDOW_S = 1.0
SECRETS = {
    "VIGIL_DEMO_SLACK_TOKEN": "xoxb-demo-0000-local-stand-in",
    "VIGIL_DEMO_PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
    "VIGIL_DEMO_REPLAY_SECRET": "replay-secret-of-the-demo",
}

_TEMPLATE = """\
# Written by `vigil demo`. Windows last a second here; in production they last a minute.

[service]
listen = "127.0.0.1:{port}"
url = "http://127.0.0.1:{port}"
database = "sqlite:///{folder}/vigil.db"
samples = "{folder}/samples"
window_s = {window_s}
lateness_s = 0.35

[budget]                # one false page a day of one-second windows, over everything watched
false_pages = 1
per_days = 1

[checks]
min_history = 200
silent_after_windows = 10
recovered_windows = 3
unproven_after_s = 60

[[models]]
name = "{model}"
deployment = "{deployment}"
owner = "vision-team@example.org"
keys = ["site", "camera"]
pixels = "thumbnails"
latency_objective_s = 0.75

[models.tolerance]      # windows are small here: drift below these shares never pages
brightness = 0.2
contrast = 0.2
sharpness = 0.2
noise = 0.2
confidence = 0.2
entropy = 0.2
margin = 0.2

[models.rollback]
target = "registry"
registry = "{folder}/registry.json"
automatic = true
cooldown_s = 15
max_per_day = 3

[models.replay]
url = "http://127.0.0.1:{replay_port}/replay"
secret = {{ env = "VIGIL_DEMO_REPLAY_SECRET" }}

[models.relabel]
folder = "{folder}/relabel"
budget = 40
poll_s = 1

[models.retraining]     # people train here; vigil freezes what on, and says whether it helped
judge_after_labels = 50
labels_of_days = 0.003  # the last minutes: what the demo lives through

[receivers.console]
kind = "console"

[receivers.chat]
kind = "slack"
token = {{ env = "VIGIL_DEMO_SLACK_TOKEN" }}
channel = "#meter-reader"
url = "{standins}/slack/api/"

[receivers.oncall]
kind = "pagerduty"
routing_key = {{ env = "VIGIL_DEMO_PAGERDUTY_KEY" }}
url = "{standins}/pagerduty"

# A domain shift wakes nobody: it fills the re-label queue and says so in chat.
[[routes]]
match = {{ cause = "domain_shift" }}
receivers = ["chat", "console"]

[[routes]]
receivers = ["oncall", "chat", "console"]
"""


def write_configuration(folder: Path, *, port: int, replay_port: int, standins: str) -> Path:
    """Write the configuration into ``folder`` and return its path."""
    path = folder / "vigil.toml"
    path.write_text(
        _TEMPLATE.format(
            port=port,
            replay_port=replay_port,
            standins=standins.rstrip("/"),
            folder=folder.as_posix(),
            model=MODEL,
            deployment=DEPLOYMENT,
            window_s=WINDOW_S,
        )
    )
    return path
