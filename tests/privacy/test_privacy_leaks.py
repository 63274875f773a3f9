"""Nothing that may not leave is found anywhere outside the process: in no window, no file of the
spool, no memory that a sidecar reads, no log, under any setting."""

from __future__ import annotations

import itertools
import logging

import numpy as np
import pytest

from vigil import Tap
from vigil.privacy import Crop, Fill, Pixelate, Privacy
from vigil.shipping.transport import MemoryTransport
from vigil.values.png import size_of
from vigil.windows import wire
from vigil.windows.window import Window

N, SIDE = 6, 48
SECRETS = {
    "id": "alice-4711",
    "uri": "s3://faces/bob-4712",
    "trace": "trace-4713",
    "badge": "badge-4714",
    "hidden": "carol-4715",
}


def pixels(side=SIDE, seed=0):
    """Noise: any eight bytes of a row are found nowhere else by chance."""
    return np.random.default_rng(seed).integers(1, 255, (N, side, side, 3), np.uint8)


def record(tap, *, images=None, consent="yes", **changes):
    arguments = {
        "images": pixels() if images is None else images,
        "outputs": np.full((N, 4), 0.25),
        "metadata": {
            "site": "north",
            "badge": [f"{SECRETS['badge']}-{i}" for i in range(N)],
            "hidden": SECRETS["hidden"],
            "consent": consent,
        },
        "ids": [f"{SECRETS['id']}-{i}" for i in range(N)],
        "uris": [f"{SECRETS['uri']}-{i}" for i in range(N)],
        "trace_ids": [SECRETS["trace"]] * N,
    }
    return tap.record(**{**arguments, **changes})


def unpacked(blob: bytes) -> bytes:
    """Everything in a blob, its compression undone, and pictures decoded."""
    header, arrays = wire.unpack(blob)
    parts = [str(header).encode(), *(array.tobytes() for array in arrays.values())]
    if header["what"] == "window":
        window = Window.from_bytes(blob)
        for sample in (window.sample, window.informative):
            parts += [_decoded(one) for one in sample.pictures if one]
    return b"".join(parts)


def _decoded(png: bytes) -> bytes:
    import io

    from PIL import Image

    assert size_of(png) is not None
    return np.asarray(Image.open(io.BytesIO(png))).tobytes()


def run(tmp_path, caplog, calls=1, **settings):
    """Everything that left the process of a tap, in library mode: windows and spool."""
    caplog.set_level(logging.DEBUG)
    transport = MemoryTransport()
    keys = settings.pop("keys", ("site",))
    kept: list[bytes] = []
    put = MemoryTransport.send
    spooled = tmp_path / "spool"

    def send(blobs):
        kept.extend(path.read_bytes() for path in spooled.glob("*.vgl"))
        return put(transport, blobs)

    transport.send = send  # type: ignore[method-assign]
    tap = Tap(
        "m", "v1", keys=keys, transport=transport, spool=spooled, source="s",
        privacy=Privacy(**settings),
    )  # fmt: skip
    told = [record(tap) for _ in range(calls)][-1]
    assert tap.label(told, [1] * N) >= 0
    assert tap.flush()
    stats = tap.stats()
    tap.close()
    assert kept
    blobs = [*kept, *transport.windows.values()]
    left = b"".join(map(unpacked, blobs)) + str(transport.labels).encode()
    left += caplog.text.encode() + stats["last_error"].encode()
    windows = [Window.from_bytes(blob) for blob in transport.windows.values()]
    return left, [w for w in windows if w.summary.total_records], stats


def holds_pixels(left: bytes, images) -> bool:
    """Whether eight neighbouring values of a picture are among the bytes; of every picture some
    places in all rows that strips and thumbnails may be made of are looked for."""
    rows = np.ascontiguousarray(images[:, ::4]).reshape(len(images) * -(-images.shape[1] // 4), -1)
    places = rows[:, [*range(0, 24), *range(96, 104)]] if rows.shape[1] > 104 else rows[:, :32]
    known = np.frombuffer(left, np.uint8)
    if len(known) < 8:
        return False
    runs = np.lib.stride_tricks.sliding_window_view(known, 8)
    words = np.ascontiguousarray(runs).view(np.uint64).ravel()
    sought = [places[:, at : at + 8] for at in (0, 8, 16, 24)]
    flat = np.ascontiguousarray(np.concatenate(sought)).view(np.uint64).ravel()
    return bool(np.isin(flat, words, kind="sort").any())


CHOICES = {
    "pixels": ["none", "thumbnails", "full"],
    "metadata": [None, ("site", "badge", "consent")],
    "hash_metadata": [(), ("badge",)],
    "ids": ["keep", "hash"],
    "uris": ["keep", "hash", "drop"],
    "trace_ids": ["keep", "drop"],
}
MIXES = [
    dict(zip(CHOICES, values, strict=True))
    for place, values in enumerate(itertools.product(*CHOICES.values()))
    if place % 17 == 4
]


@pytest.mark.parametrize("settings", MIXES, ids=lambda one: "-".join(map(str, one.values())))
def test_what_may_not_leave_does_not(settings, tmp_path, caplog):
    """Over a mix of all settings; and what may leave does, or the test would see nothing."""
    left, windows, _ = run(tmp_path, caplog, **settings)
    expected = {
        "id": settings["ids"] == "keep",
        "uri": settings["uris"] == "keep",
        "trace": settings["trace_ids"] == "keep",
        "badge": not settings["hash_metadata"],
        "hidden": settings["metadata"] is None,
    }
    found = {name: secret.encode() in left for name, secret in SECRETS.items()}
    assert found == expected
    (window,) = windows
    assert len(window.sample) == N
    assert holds_pixels(left, pixels()) is (settings["pixels"] != "none")
    assert window.sample.has_thumbnails is (settings["pixels"] != "none")
    assert bool(window.sample.pictures) is (settings["pixels"] == "full")


def broken(images, records):
    raise RuntimeError("4711")


@pytest.mark.parametrize("side", [20, 128])
@pytest.mark.parametrize("pixels_kept", ["thumbnails", "full"])
@pytest.mark.parametrize("hook", [Pixelate(block=16), Crop((0.9, 0.9, 1.0, 1.0)), broken])
def test_no_pixel_leaves_that_no_hook_has_seen(hook, pixels_kept, side):
    """Whole pictures, thumbnails and small images alike; a hook that fails leaves none."""
    images = pixels(side)
    transport = MemoryTransport()
    tap = Tap(
        "m", "v1", transport=transport, privacy=Privacy(pixels=pixels_kept, redact=hook)
    )  # fmt: skip
    record(tap, images=images)
    assert tap.flush()
    stats = tap.stats()
    tap.close()
    (blob,) = [b for b in transport.windows.values() if Window.from_bytes(b).sample.ids]
    assert not holds_pixels(unpacked(blob), images[:, :16])
    window = Window.from_bytes(blob)
    assert np.isfinite(window.sample.signals[:, 0]).all()
    if hook is broken:
        assert stats["privacy"]["redaction_failed"] == N
        assert not window.sample.thumbnails.any()
        assert not any(window.sample.pictures)
    else:
        assert window.sample.thumbnails.any()
        assert sum(map(bool, window.sample.pictures)) == (N if pixels_kept == "full" else 0)


@pytest.mark.parametrize("hook", [Fill(boxes=lambda i, r: [[[0, 0, 1, 1]]] * len(i)), broken])
@pytest.mark.parametrize("kept", ["none", "thumbnails", "full"])
def test_the_memory_that_a_sidecar_reads_holds_what_may_leave_only(hook, kept, tmp_path):
    """Ids, metadata and pictures, the rows that statistics are made of too."""
    folder = tmp_path / "rings"
    tap = Tap(
        "m", "v1", sidecar=folder, source="s", queue_bytes=2**20, window_s=3600.0,
        privacy=Privacy(
            pixels=kept, redact=hook, metadata=("site",), ids="hash", uris="drop", trace_ids="hash"
        ),
    )  # fmt: skip
    told = record(tap, images=pixels(128))
    assert tap.label(told, [1] * N) == N
    assert told[0] == f"{SECRETS['id']}-0"
    files = [path for path in folder.rglob("*") if path.is_file()]
    left = b"".join(path.read_bytes() for path in files)
    tap.close()
    assert b"north" in left
    assert not [name for name, secret in SECRETS.items() if secret.encode() in left]
    assert not holds_pixels(left, pixels(128))


def test_without_consent_nothing_but_a_count_is_left():
    """And without even that where it says so; the caller gets no id for it."""
    for without in ("count", "drop"):
        transport = MemoryTransport()
        tap = Tap(
            "m", "v1", transport=transport, source="s",
            privacy=Privacy(pixels="full", consent=("consent",), without_consent=without),
        )  # fmt: skip
        said = ["yes", "no"] * (N // 2)
        told = record(tap, consent=said)
        assert [bool(one) for one in told] == [one == "yes" for one in said]
        assert tap.flush()
        stats = tap.stats()
        tap.close()
        (blob,) = [b for b in transport.windows.values() if Window.from_bytes(b).sample.ids]
        window = Window.from_bytes(blob)
        assert window.summary.total_records == (N if without == "count" else N // 2)
        assert len(window.sample) == N // 2
        assert all(row["consent"] == "yes" for row in window.sample.metadata)
        left = unpacked(blob)
        for i, one in enumerate(said):
            assert (f"{SECRETS['id']}-{i}'".encode() in left) is (one == "yes")
        assert not holds_pixels(left, pixels()[1::2])
        assert holds_pixels(left, pixels()[::2])
        counted = "withheld" if without == "count" else "dropped"
        assert stats["privacy"][counted] == N // 2
        assert window.dropped == ({} if without == "count" else {"no_consent": N // 2})
        assert tap.label(told[1], 1) == 0


def test_a_call_whose_metadata_cannot_be_read_is_dropped_whole():
    transport = MemoryTransport()
    tap = Tap("m", "v1", transport=transport, privacy=Privacy(metadata=("site",)))
    record(tap, metadata=[1] * N)
    record(tap, metadata=5)
    assert tap.flush()
    stats = tap.stats()
    tap.close()
    assert stats["dropped"] == {"error": 2 * N}


def test_keys_that_were_refused_are_told_to_the_process_alone(tmp_path, caplog):
    left, _, stats = run(tmp_path, caplog, metadata=("site",))
    assert stats["privacy"]["keys"] == {"badge": 1, "hidden": 1, "consent": 1}
    assert b"badge" not in left


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"thumbnails": True, "privacy": Privacy()}, "thumbnails"),
        ({"keys": ("camera",), "privacy": Privacy(metadata=("site",))}, "camera"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Tap("m", "v1", transport=MemoryTransport(), **settings)


def test_by_default_no_pixels_leave_and_all_else_does(tmp_path, caplog):
    left, (window,), stats = run(tmp_path, caplog)
    assert all(secret.encode() in left for secret in SECRETS.values())
    assert not holds_pixels(left, pixels())
    assert not window.sample.has_thumbnails
    assert stats["privacy"] == {"keys": {}, "problem": ""}
