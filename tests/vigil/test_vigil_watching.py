"""A torch module is recorded by hooks: eager, under autocast and compiled; and left as it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest
from vigil_records import a_ruler

from vigil import Tap
from vigil.shipping.transport import MemoryTransport
from vigil.windows.window import Window

torch = pytest.importorskip("torch")
nn = torch.nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(5, 6)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        return torch.softmax(self.head(torch.relu(self.body(x))), dim=1)


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport({("reader", "v1"): a_ruler().to_bytes()})


@pytest.fixture
def tap(transport) -> Iterator[Tap]:
    with Tap("reader", "v1", transport=transport) as one:
        yield one


def the_window(tap: Tap, transport: MemoryTransport) -> Window:
    assert tap.flush()
    (window,) = [Window.from_bytes(blob) for blob in transport.windows.values()]
    return window


def test_outputs_and_the_embedding_of_a_layer_are_recorded(tap, transport):
    net = Net().eval()
    x = torch.randn(3, 5)
    with tap.watch(net, embedding="body", metadata=lambda: {"site": "a"}):
        expected = net(x)
    net(x)
    window = the_window(tap, transport)
    assert window.ledger.prediction.tolist() == expected.argmax(dim=1).tolist()
    by_id = np.argsort(window.sample.ids)
    body = net.body(x).detach().numpy()
    np.testing.assert_allclose(window.sample.embedding[by_id], body, atol=2e-3)
    assert window.sample.metadata[0] == {"site": "a"}
    assert not net._forward_hooks
    assert not net.body._forward_hooks


def test_a_module_in_training_is_not_recorded(tap, transport):
    net = Net().train()
    with tap.watch(net):
        net(torch.randn(2, 5))
    assert tap.stats()["recorded"] == 0


@pytest.mark.parametrize("kind", ["autocast", "double", "gradients"])
def test_whatever_type_comes_out_is_recorded(tap, transport, kind):
    net, x = Net().eval(), torch.randn(3, 5)
    with tap.watch(net, embedding="body"):
        if kind == "autocast":
            with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
                net(x)
        elif kind == "double":
            net.double()(x.double())
        else:
            assert net(x).requires_grad
    window = the_window(tap, transport)
    assert (window.summary.total_records, int(window.summary.embedded.sum())) == (3, 3)
    assert np.isfinite(window.ledger.confidence).all()


@pytest.mark.parametrize("watched", ["before", "after"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_compiled_module_is_recorded_and_its_graph_stays_whole(tap, transport, watched):
    """``fullgraph`` fails where a hook would break the graph."""
    torch._dynamo.reset()
    net, x = Net().eval(), torch.randn(3, 5)
    if watched == "before":
        compiled = torch.compile(net, backend="eager", fullgraph=True)
        watching = tap.watch(compiled, embedding="_orig_mod.body")
    else:
        net.compile(backend="eager", fullgraph=True)
        compiled = net
        watching = tap.watch(compiled, embedding="body")
    with torch.no_grad():
        expected = [compiled(x + i).argmax(dim=1).tolist() for i in range(2)]
    watching.remove()
    window = the_window(tap, transport)
    assert window.ledger.prediction.tolist() == expected[0] + expected[1]
    assert int(window.summary.embedded.sum()) == 6


def test_nothing_is_recorded_while_a_graph_is_captured(tap, transport, monkeypatch):
    """There is no GPU here: torch is told that it is capturing."""
    net = Net().eval()
    monkeypatch.setattr(sys.modules["torch"].cuda, "is_available", lambda: True)
    monkeypatch.setattr(sys.modules["torch"].cuda, "is_current_stream_capturing", lambda: True)
    with tap.watch(net) as watched:
        net(torch.randn(2, 5))
    assert (watched.capturing, tap.stats()["recorded"], tap.dropped) == (1, 0, {})


class Odd(nn.Module):
    """Answers in the ways that libraries do."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.answer = answer
        self.maps = nn.Identity()

    def forward(self, x):
        self.maps(x)
        return self.answer


class Named(dict):
    @property
    def logits(self):
        return self["logits"]


P = torch.full((2, 4), 0.25)


@pytest.mark.parametrize(
    "answer",
    [(P, "more"), [P], {"logits": P, "x": 1}, Named(logits=P), {"first": P}],
    ids=["tuple", "list", "mapping", "named", "no logits"],
)
def test_answers_of_several_parts_are_read(tap, transport, answer):
    net = Odd(answer).eval()
    with tap.watch(net, embedding="maps"):
        net(torch.zeros(2, 6, 5, 5))
    window = the_window(tap, transport)
    assert (window.summary.total_records, int(window.summary.embedded.sum())) == (2, 2)


def test_an_answer_that_can_not_be_read_is_counted(tap):
    net = Odd("words").eval()
    with tap.watch(net):
        assert net(torch.zeros(2, 6)) == "words"
    with tap.watch(net, outputs=lambda found: found.nothing):
        net(torch.zeros(2, 6))
    assert sum(tap.dropped.values()) >= 2


def test_what_can_not_be_watched_is_told_at_once(tap):
    with pytest.raises(TypeError, match=r"expected a torch.nn.Module, found int"):
        tap.watch(5)
    with pytest.raises(AttributeError, match="nothing"):
        tap.watch(Net(), embedding="nothing")
