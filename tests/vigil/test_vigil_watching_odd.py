"""A watched module that is copied, saved, traced, exported, fails or answers oddly: its owner
notices nothing."""

from __future__ import annotations

import asyncio
import copy
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from vigil import Tap
from vigil.shipping.transport import MemoryTransport
from vigil.windows.window import Window

torch = pytest.importorskip("torch")
nn = torch.nn
P = torch.full((3, 4), 0.25)
X = torch.ones(3, 5)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(5, 6)
        self.head = nn.Linear(6, 4)
        self.fails = self.leaves_early = False

    def forward(self, x: Any) -> Any:
        if self.leaves_early:
            return P
        found = torch.softmax(self.head(torch.relu(self.body(x))), dim=1)
        if self.fails:
            raise RuntimeError("the model's own")
        return found


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def tap(transport: MemoryTransport) -> Iterator[Tap]:
    with Tap("m", "v", transport=transport) as one:
        yield one


def recorded(tap: Tap) -> int:
    return int(tap.stats()["recorded"])


@pytest.mark.parametrize("embedding", [None, "body"])
def test_copies_and_pickles_of_a_watched_module_work_and_are_not_watched(tap, embedding):
    net = Net().eval()
    tap.watch(net, embedding=embedding)
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    for other in (copy.deepcopy(net), torch.load(file, weights_only=False)):
        torch.testing.assert_close(other(X), net.head(torch.relu(net.body(X))).softmax(dim=1))
    assert recorded(tap) == 0
    net(X)
    assert recorded(tap) == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_passes_that_only_build_a_program_are_not_inferences(tap):
    net = Net().eval()
    tap.watch(net, embedding="body")
    traced = torch.jit.trace(net, X, check_trace=False)
    exported = torch.export.export(net, (X,), strict=False).module()
    assert (recorded(tap), tap.dropped) == (0, {})
    torch.testing.assert_close(traced(X), exported(X))


def test_what_a_failed_pass_left_is_no_part_of_the_next(tap, transport):
    net = Net().eval()
    tap.watch(net, embedding="body")
    net.fails = True
    with pytest.raises(RuntimeError, match="the model's own"):
        net(X)
    net.leaves_early = True
    net(X)
    assert tap.flush()
    windows = [Window.from_bytes(blob) for blob in transport.windows.values()]
    assert sum(one.summary.total_records for one in windows) == 3
    assert sum(int(one.summary.embedded.sum()) for one in windows) == 0


def test_a_module_that_calls_itself_is_recorded_each_time(tap):
    class Deep(Net):
        depth = 0

        def forward(self, x: Any) -> Any:
            self.depth += 1
            if self.depth < 3:
                self(x)
            return super().forward(x)

    net = Deep().eval()
    tap.watch(net, embedding="body")
    net(X)
    assert (recorded(tap), tap.dropped) == (9, {})


def test_a_wrapper_that_is_in_training_says_that_it_is_not_recorded(tap):
    """``DataParallel`` is, however its module stands."""
    wrapped = nn.DataParallel(Net().eval())
    watching = tap.watch(wrapped, embedding="module.body")
    wrapped(X)
    assert (watching.training, recorded(tap)) == (1, 0)
    wrapped.eval()(X)
    assert recorded(tap) == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_module_is_refused_at_once(tap):
    scripted = torch.jit.script(nn.Sequential(nn.Linear(5, 4)).eval())
    for embedding in (None, "0"):
        with pytest.raises(TypeError, match="expected a module that takes hooks"):
            tap.watch(torch.jit.freeze(scripted), embedding=embedding)


@dataclass
class Answer:
    name: str
    scores: Any


class Odd(nn.Module):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Any) -> Any:
        return self.answer


@pytest.mark.parametrize("answer", [Answer("a", P), ((P,), 1), [{"logits": P}]])
def test_answers_inside_answers_are_found(tap, answer):
    net = Odd(answer).eval()
    tap.watch(net)
    assert net(X) is answer
    assert (recorded(tap), tap.dropped) == (3, {})


@pytest.mark.parametrize(
    "answer", [(), Answer("a", None), 7, iter(range(3)), P.to_sparse(), P.to("meta"), P.sum()]
)
def test_answers_that_can_not_be_read_are_counted_and_left_alone(tap, answer):
    net = Odd(answer).eval()
    tap.watch(net)
    assert net(X) is answer
    assert recorded(tap) == 0
    assert set(tap.dropped) == {"error"}
    if hasattr(answer, "__next__"):
        assert list(answer) == [0, 1, 2]


def test_a_function_that_returns_a_coroutine_is_recorded_when_it_is_done(tap):
    """Also an object with an ``async`` call; what it raises goes on."""

    class Served:
        async def __call__(self, x: Any, fails: bool = False) -> Any:
            await asyncio.sleep(0)
            if fails:
                raise KeyError("the model's own")
            return P

    call = tap.watch_call()(Served())
    assert asyncio.run(call(X)) is P
    with pytest.raises(KeyError):
        asyncio.run(call(X, fails=True))
    assert (recorded(tap), tap.dropped) == (3, {})
