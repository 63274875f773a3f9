"""The commented configuration that ``vigil init`` writes."""

from __future__ import annotations

_STARTER = """\
# vigil.toml: the one configuration file. Check it with `vigil config check`.
# Paths are relative to this file. Secrets are never written here: name an
# environment variable, { env = "NAME" }, or a file, { file = "path" }.

[service]
listen = "127.0.0.1:8080"           # beyond loopback, reading needs a token too
url = "http://127.0.0.1:8080"       # how people reach the console; pages link to it
database = "sqlite:///var/vigil.db" # or "postgresql://vigil@db.internal/vigil"
# database_password = { env = "VIGIL_DATABASE_PASSWORD" }
# session_secret = { env = "VIGIL_SESSION_SECRET" }  # without it, a restart logs people out
# allowed_hosts = ["vigil.example.com"]              # names that a proxy serves this under
samples = "var/samples"             # sampled records; or "s3://bucket/prefix"
window_s = 60.0                     # must be what the taps use
lateness_s = 30.0                   # how long a tick waits for late windows

[budget]
# At most this many false pages are expected, over everything watched.
false_pages = 1.0
per_days = 30.0

[checks]
min_history = 200                   # windows before a stream is judged without `provisional`
silent_after_windows = 3            # windows that a source may miss before it counts as silent
missing_share = 0.01                # missing values above this share are a fault
recovered_windows = 3               # good windows in a row that prove a recovery
unproven_after_s = 900.0            # without them by then, people are called

[retention]
windows_days = 30.0
samples_days = 14.0
ledger_days = 30.0                  # how long a late label finds its prediction
history_days = 365.0

# What is watched. `keys` are metadata of a record (at most four); each value is a slice.
[[models]]
name = "my-model"
deployment = "production"
owner = "vision team"
keys = ["camera"]
# class_names = ["cat", "dog"]
pixels = "none"                     # "thumbnails" keeps small images of sampled records
latency_objective_s = 0.1

[models.tolerance]                  # drift below this never pages; see docs/configuration.md
# confidence = 0.15

[models.rollback]
target = "none"                     # "registry" (a local file) or "webhook" (your pipeline)
# registry = "var/registry.json"
# url = "https://deploy.example.com/rollback"
# secret = { env = "VIGIL_ROLLBACK_SECRET" }
automatic = false                   # false: a person approves each rollback
cooldown_s = 3600.0
max_per_day = 3

[models.relabel]
# folder = "var/relabel"            # where images to label are exported
budget = 100

# Who is told. The first route that matches decides.
[receivers.terminal]
kind = "console"

# [receivers.chat]
# kind = "slack"
# token = { env = "SLACK_BOT_TOKEN" }
# channel = "#vision-alerts"

# [receivers.oncall]
# kind = "pagerduty"
# routing_key = { env = "PAGERDUTY_ROUTING_KEY" }

# Routes are looked at from the top; `vigil route test` says who would hear of what.
# [[routes]]
# match = { severity = "error" }      # this bad or worse
# receivers = ["oncall", "chat"]
# escalation = "night"
#   [[routes.routes]]                 # inside it: in office hours the chat is enough
#   match = { hours = "office" }
#   receivers = ["chat"]

[[routes]]
receivers = ["terminal"]

# [hours.office]
# days = ["mon", "tue", "wed", "thu", "fri"]
# start = "09:00"
# end = "17:30"
# time_zone = "Europe/Berlin"

# [escalations.night]                 # while nobody acknowledges
# steps = [
#   { after_s = 900.0, receivers = ["oncall"] },
#   { after_s = 1800.0, receivers = ["second"] },
# ]

# [[inhibit]]                         # what explains the others is told, they are not
# by = { alertname = "no_data" }
# mute = { cause = "input_fault" }
# equal = ["model", "deployment"]
"""


def starter_text() -> str:
    """A configuration that loads as it is and explains what else there is."""
    return _STARTER
