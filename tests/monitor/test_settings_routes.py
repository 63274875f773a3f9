"""Routes and inhibitions that can't work are refused at the start, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.settings.load import parse_settings
from vigil.errors import ConfigError

HEAD = "[receivers.t]\nkind = 'console'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[[routes]]\nreceivers = ['t']\n[[routes]]\nreceivers = ['t']\n",
            "routes[1]: expected routes that are reached, found routes[0], which matches every",
        ),
        (
            "[[inhibit]]\nby = { alertname = 'vigil_self' }\nmute = { model = 'm' }\n",
            "trouble of vigil itself explains nothing",
        ),
        (
            "[[inhibit]]\nby = { alertname = 'no_date' }\nmute = { model = 'm' }\n",
            "inhibit[0].by.alertname: expected baseline_drift, ",
        ),
        (
            "[[inhibit]]\nby = { model = 'm' }\nmute = { severity = 'awful' }\n",
            "inhibit[0].mute.severity: expected critical, error, info, warning, found 'awful'",
        ),
        (
            "[[inhibit]]\nby = { model = 'm' }\nmute = { model = 'm' }\nequal = []\n",
            "expected other labels than `by`, found the same",
        ),
        (
            "[[routes]]\nreceivers = ['t']\nescalation = 'night'\n",
            "routes[0].escalation: expected an escalation of this file (none is declared)",
        ),
        (
            "[[routes]]\nreceivers = ['t']\nmatch = { hours = 'office' }\n",
            "routes[0].match.hours: expected hours of this file (none is declared)",
        ),
        (
            "[hours.office]\nstart = '9:00'\nend = '17:00'\n",
            "hours.office.start: expected",
        ),
        (
            "[escalations.night]\nsteps = [{ after_s = 60.0, receivers = ['nobody'] }]\n",
            "escalations.night.steps[0].receivers: expected a receiver of this file",
        ),
    ],
)
def test_what_can_not_work_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(HEAD + text, Path("vigil.toml"))
    assert said in str(caught.value)


def test_a_route_for_everything_may_go_on_to_the_next() -> None:
    text = "[[routes]]\nreceivers = ['t']\nproceed = true\n[[routes]]\nreceivers = ['t']\n"
    assert len(parse_settings(HEAD + text, Path("vigil.toml")).routes) == 2
