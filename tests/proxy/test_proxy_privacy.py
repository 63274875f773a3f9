"""What leaves of the requests that a proxy sees."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from oip_server import OipServer
from proxy_room import Loop, Sink, a_proxy
from typer.testing import CliRunner

from monitor.cli.app import app
from monitor.proxy.model_options import ModelOptions, read_models
from monitor.proxy.privacy_options import privacy_of
from monitor.proxy.spec import Recorded
from vigil.errors import ConfigError
from vigil.privacy import Blur, Crop, Fill, Pixelate, Privacy, Salt

PAGE = Path(__file__).parents[2] / "docs" / "privacy.md"
WHITE = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3, 8, 8], "data": [1.0] * 192}]}


def read(folder: Path, text: str, given: ModelOptions | None = None) -> Recorded:
    path = folder / "models.toml"
    path.write_text(text, encoding="utf-8")
    (one,) = read_models(path, given or ModelOptions())
    return one.recorded({}, hardware_signals=False, where=path.name)


def post(url: str, name: str, **headers: str) -> None:
    path = f"{url}/v2/models/reader/infer"
    httpx.post(path, json={**WHITE, "id": name}, headers=headers).raise_for_status()


def test_the_page_of_the_documentation_says_all_of_it(tmp_path: Path):
    page = PAGE.read_text(encoding="utf-8")
    text = page[page.index('[[models]]\nmodel = "door"\ntensors') :].partition("```")[0]
    recorded = read(tmp_path, text)
    assert privacy_of(json.loads(json.dumps(recorded.privacy))) == Privacy(
        pixels="thumbnails",
        redact=(Blur(classes=(0,), margin=0.2), Crop((0.0, 0.1, 1.0, 1.0))),
        metadata=("camera", "consent"),
        hash_metadata=("camera",),
        ids="hash",
        trace_ids="drop",
        consent=("consent",),
        without_consent="drop",
        salt=Salt(env="FLEET_SALT"),
    )


def test_every_piece_can_be_named():
    pieces = [
        {"kind": "fill", "value": 0.5},
        {"kind": "pixelate", "block": 8},
        {"kind": "pixelate", "boxes": "detections", "classes": [1]},
        {"kind": "blur", "strength": 1.0},
    ]
    assert privacy_of({"redact": pieces}).hooks == (
        Fill(value=0.5),
        Pixelate(block=8),
        Pixelate(boxes="detections", classes=(1,)),
        Blur(strength=1.0),
    )


def test_no_pixel_leaves_by_default(event_loop_thread: Loop, server: OipServer, sink: Sink):
    with server.http() as http, a_proxy(event_loop_thread, sink.url, http=http) as proxy:
        post(proxy.http, "a")
        proxy.wait_for("recorded", 1)
    (sample,) = [one.sample for one in sink.windows.values() if len(one.sample)]
    assert (sample.thumbnails.size, any(sample.pictures)) == (0, False)
    assert np.isfinite(sample.signals).any()


def test_what_a_file_says_is_kept_to(
    tmp_path: Path,
    event_loop_thread: Loop,
    server: OipServer,
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
):
    """Half of the picture, hashed names, no trace; of who did not consent only a count."""
    monkeypatch.setenv("A_SALT", "0123456789abcdef")
    recorded = read(
        tmp_path,
        """
        [[models]]
        model = "reader"
        headers = ["X-Camera=camera", "X-Consent=consent", "X-Note=note"]
        [models.privacy]
        pixels = "full"
        redact = [{kind = "crop", region = [0, 0, 0.5, 1]}]
        metadata = ["camera", "consent"]
        hash_metadata = ["camera"]
        ids = "hash"
        trace_ids = "drop"
        consent = ["consent"]
        salt = {env = "A_SALT"}
        """,
    )
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Camera": "c1", "X-Note": "private", "traceparent": trace}
    with (
        server.http() as http,
        a_proxy(
            event_loop_thread,
            sink.url,
            http=http,
            headers=recorded.headers,
            privacy=recorded.privacy,
        ) as proxy,
    ):
        post(proxy.http, "one", **headers, **{"X-Consent": "yes"})
        post(proxy.http, "two", **headers)
        proxy.wait_for("recorded", 2)
    (window,) = [one for one in sink.windows.values() if one.summary.total_records]
    sample = window.sample
    assert (window.summary.total_records, len(sample)) == (2, 1)
    (name,) = sample.ids
    assert name.startswith("h~")
    assert sample.metadata[0]["camera"].startswith("h~")
    assert sample.metadata[0].keys() == {"camera", "consent"}
    assert not sample.trace_ids[0]
    assert sample.pictures[0]
    picture = sample.thumbnails[0]
    assert (picture[:, :4].min(), picture[:, 4:].max()) == (255, 0)


def test_a_table_says_more_than_the_command_and_the_command_the_rest(tmp_path: Path):
    given = ModelOptions(
        headers=("c",), privacy={"pixels": "full", "consent": ["c"]}, thumbnails=False
    )
    text = "[[models]]\nmodel = 'm'\nprivacy = {pixels = 'none', ids = 'hash'}"
    assert read(tmp_path, text, given).privacy == {
        "pixels": "none",
        "consent": ["c"],
        "ids": "hash",
    }
    small = ModelOptions(model="m", thumbnails=True).recorded({}, hardware_signals=False)
    assert small.privacy == {"pixels": "thumbnails"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("pixel = 'none'", "privacy.pixel: expected one of pixels"),
        ("pixels = 'all'", "privacy.pixels: expected one of none, thumbnails, full"),
        ("metadata = 'site'", "privacy.metadata: expected a list of names"),
        ("picture_bytes = 'a'", "privacy.picture_bytes: expected 0 or more"),
        ("redact = 'blur'", "privacy.redact: expected a list of tables"),
        ("redact = [{kind = 'smear'}]", "kind: expected one of blur, fill, pixelate, crop"),
        ("redact = [{kind = 'blur', block = 3}]", "block: expected one of kind, classes"),
        ("redact = [{kind = 'blur', margin = -1}]", "margin: expected 0 to 10"),
        ("redact = [{kind = 'blur', margin = 'a'}]", r"redact\[0\]"),
        ("redact = [{kind = 'blur', classes = ['face']}]", "expected a list of numbers"),
        ("redact = [{kind = 'pixelate', boxes = 'faces'}]", "boxes: expected detections"),
        ("redact = [{kind = 'crop'}]", r"redact\[0\]"),
        ("redact = [{kind = 'crop', region = [0, 0, 1]}]", r"redact\[0\]"),
        ("redact = [{kind = 'fill'}]", "privacy.redact: expected a tensor for boxes"),
        ("consent = ['agreed']", "privacy.consent: expected keys that a header or a parameter"),
        ("salt = 'swordfish'", "privacy.salt: expected a table"),
        ("salt = {env = 'sword-fish'}", "privacy.salt.env: expected the name"),
        ("salt = {env = 'A', file = 'b'}", "privacy.salt: "),
        ("salt = {period_s = 'day'}", "privacy.salt: "),
    ],
)
def test_a_privacy_that_can_not_be_kept_to_is_refused_at_the_start(tmp_path: Path, said, why):
    with pytest.raises(ConfigError, match=why) as refused:
        read(tmp_path, f"[[models]]\nmodel = 'm'\n[models.privacy]\n{said}")
    assert str(refused.value).startswith("models.toml: ")
    assert "fish" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--pixels", "some"], "privacy.pixels: expected one of"),
        (["--pixels", "full", "--thumbnails"], "thumbnails: expected pixels alone, found both"),
        (["--consent", "agreed"], "privacy.consent: expected keys"),
        (["--hash-ids", "--salt-env", "NOT_SET"], "salt: environment NOT_SET: expected 16 bytes"),
    ],
)
def test_the_command_says_the_simple_ones(arguments, why):
    given = ["proxy", "--model", "m", "--listen-own", "127.0.0.1:0", *arguments]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 2, done.output
    assert why in done.output
