"""Records without consent are left out of tensors without waiting for their device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from vigil_devices import NoWaiting

from vigil import Tap
from vigil.privacy import Privacy
from vigil.privacy.guard import Guard
from vigil.privacy.rows import arrived, rows_of_arguments
from vigil.shipping.transport import MemoryTransport
from vigil.values.tensors import rows_of_tensor
from vigil.windows.window import Window

N = 6
KEPT = np.array([0, 2, 5])
CONSENT = [1, 0, 1, 0, 0, 1]
BOXES = {
    "boxes": np.linspace(0.0, 1.0, 28).reshape(7, 4).astype(np.float32),
    "row": np.array([0, 0, 1, 2, 4, 5, 5]),
    "scores": np.linspace(0.1, 0.7, 7).astype(np.float32),
}


def cleaned(**arguments: Any) -> dict[str, Any]:
    guard = Guard(Privacy(consent=("ok",), without_consent="drop"))
    found = guard.clean(
        ids=[str(i) for i in range(N)],
        chosen=True,
        arguments=arguments,
        metadata={"ok": CONSENT},
        time_s=0.0,
    )
    assert found.dropped == 3
    return found.arguments


def test_tensors_of_every_argument_stay_on_their_device_unread():
    """Meta tensors have no values: reading one, and an index from the host, are errors here."""

    def there(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    with NoWaiting() as seen:
        found = cleaned(
            images=there(N, 8, 8, 3, dtype=torch.uint8),
            outputs=there(N, 5, dtype=torch.bfloat16),
            embeddings={"neck": there(N, 4)},
            masks=there(N, 4, 4, dtype=torch.int64),
            signals={"score": there(N)},
            latency_s=there(),
            detections={name: there(*one.shape) for name, one in BOXES.items()},
            tracks=there(7, dtype=torch.int64),
        )
    assert seen.ops["index_select"] == 5
    assert found["images"].shape == (3, 8, 8, 3)
    assert found["outputs"].shape == (3, 5)
    assert found["embeddings"]["neck"].shape == (3, 4)
    tensors = [found["images"], found["masks"], found["signals"]["score"], found["latency_s"]]
    assert {one.device.type for one in tensors} == {"meta"}


def test_the_rows_are_those_of_numpy():
    """Also of a tensor that is no leaf, has another layout, or belongs to inference mode."""
    values = np.random.default_rng(0).random((N, 4, 3)).astype(np.float32)
    with torch.inference_mode():
        inferred = torch.tensor(values)
    for tensor in (
        torch.tensor(values),
        torch.tensor(values, requires_grad=True) * 1.0,
        torch.tensor(values.transpose(0, 2, 1).copy()).transpose(1, 2),
        inferred,
    ):
        with NoWaiting():
            found = rows_of_tensor(tensor, KEPT)
        assert not found.requires_grad
        np.testing.assert_array_equal(found.numpy(), values[KEPT])


def test_boxes_of_a_device_are_taken_when_they_have_arrived():
    tracks = np.arange(7)
    there = {name: torch.tensor(one).to("meta") for name, one in BOXES.items()}
    noted = rows_of_arguments({"detections": there, "tracks": torch.tensor(tracks)}, KEPT, N)
    here = {**noted["detections"], **BOXES}
    (found, wanted) = (
        arrived({"detections": here})["detections"],
        rows_of_arguments({"detections": BOXES, "tracks": tracks}, KEPT, N)["detections"],
    )
    for name in ("row", "boxes", "scores", "tracks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    assert found.records == wanted.records == 3


def test_a_tap_records_those_who_agree():
    transport = MemoryTransport()
    tap = Tap(
        "m",
        "v",
        transport=transport,
        privacy=Privacy(consent=("ok",), without_consent="drop"),
        sample_size=64,
    )
    with NoWaiting():
        tap.record(outputs=torch.eye(N), metadata={"ok": CONSENT})
    assert tap.flush()
    tap.close()
    windows = [Window.from_bytes(blob) for blob in transport.windows.values()]
    predicted = sorted(int(one) for window in windows for one in window.sample.prediction)
    assert predicted == KEPT.tolist()
    assert tap.dropped == {"no_consent": 3}


@pytest.mark.parametrize("embedding", [None, torch.zeros(2, 3, device="meta")])
def test_while_a_cuda_graph_is_recorded_no_copy_is_begun(
    embedding: Any, monkeypatch: pytest.MonkeyPatch
):
    """It would spoil the graph: the call is left out, and counted."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    tap = Tap("m", "v", transport=MemoryTransport(), device=False)
    tap.record(outputs=torch.zeros(2, 3, device="meta"), embeddings=embedding)
    assert tap.dropped == {"capturing": 2}
    tap.close()
