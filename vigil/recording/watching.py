"""Every forward pass of a ``torch.nn.Module``, recorded by hooks: no change to the model's code.

* ``torch.compile``: watch the compiled module, and call that. The module's own hook runs after the
  compiled code. A hook on an inner layer, for the embedding, is traced with it: it only keeps the
  tensor, which costs the compiler no break of its graph. One thread at a time then.
* autocast: what comes out is recorded in whatever type it has.
* CUDA graphs: while one is captured nothing is inferred, so nothing is recorded (``capturing``
  counts it). A replay runs no Python and so no hook: call ``tap.record`` with the graph's output
  tensors after each replay. ``torch.compile(mode="reduce-overhead")`` is not affected: its modules
  are called as ever.
* A module in training is not recorded (``training`` counts it; ``DataParallel`` is in training
  unless you call its own ``eval``). Nor are passes that only build a program: ``torch.jit.trace``,
  ``torch.export`` (its ``strict`` form can't export what has such hooks: ``remove`` them first).
* ``torch.jit.script`` compiles a module's hooks too, and can't compile these: script first. What is
  scripted takes no hooks, so watch a plain module around it.
* A copy or a pickle of a watched module is not watched.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from vigil.recording.inference import Records
from vigil.values.tensors import is_capturing


class Watched:
    """A module that is recorded until ``remove``; also a ``with`` block.

    Attributes:
        capturing: passes that were not recorded, because a CUDA graph was captured.
        training: passes that were not recorded, because the module was in training.
    """

    def __init__(
        self,
        tap: Records,
        module: Any,
        *,
        embedding: str | None,
        images: bool,
        outputs: Callable[[Any], Any] | None,
        metadata: Callable[[], Any] | None,
    ) -> None:
        self._tap, self._images = tap, images
        self._outputs = outputs or _outputs_of
        self._metadata = metadata
        self._mine = threading.local()
        self._traced: Any = None
        self.capturing = self.training = 0
        self._handles: list[Any] = []
        try:
            if embedding is not None:
                layer = module.get_submodule(embedding)
                self._handles.append(module.register_forward_pre_hook(_outside(self._begin)))
                self._handles.append(layer.register_forward_hook(_Hook(self._keep)))
            note = _outside(self._note)
            self._handles.append(module.register_forward_hook(note, with_kwargs=True))
        except RuntimeError as error:
            self.remove()
            raise TypeError(
                f"expected a module that takes hooks, found {type(module).__name__}: {error}"
            ) from None

    def remove(self) -> None:
        """Leave the module as it was."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def _begin(self, module: Any, given: Any) -> None:
        # What a pass that raised left behind is no part of this one.
        self._traced = self._mine.embedding = None

    def _keep(self, layer: Any, given: Any, found: Any) -> None:
        if sys.modules["torch"].compiler.is_compiling():
            self._traced = found
        else:
            self._mine.embedding = found

    def _note(self, module: Any, args: Any, kwargs: Any, found: Any) -> None:
        kept = getattr(self._mine, "embedding", None)
        embedding = self._traced if kept is None else kept
        self._traced = self._mine.embedding = None
        if not self._tap.enabled:
            return
        if module.training:
            self.training += 1
            return
        if is_capturing():
            self.capturing += 1
            return
        try:
            arguments: dict[str, Any] = {"outputs": self._outputs(found)}
            if embedding is not None:
                arguments["embeddings"] = flat(_outputs_of(embedding))
            if self._images:
                arguments["images"] = args[0] if args else next(iter(kwargs.values()))
            if self._metadata is not None:
                arguments["metadata"] = self._metadata()
        except Exception:
            self._tap.lose("error")
            return
        self._tap.record(**arguments)


def watch(
    tap: Records,
    module: Any,
    *,
    embedding: str | None,
    images: bool,
    outputs: Callable[[Any], Any] | None,
    metadata: Callable[[], Any] | None,
) -> Watched:
    """Record every forward pass of a module in evaluation.

    Args:
        tap: where.
        module: a ``torch.nn.Module``.
        embedding: name of the layer whose output is the embedding, such as ``layer4`` or
            ``encoder.norm``. Maps and tokens are averaged over their places.
        images: record the first argument as images, integers or floats in [0, 1].
        outputs: takes what the module returns to the outputs; by default the tensor itself, the
            first of several, or what is named ``logits``.
        metadata: called for the metadata of each pass.

    Raises:
        AttributeError: no such layer.
        TypeError: not a module.
    """
    if not hasattr(module, "register_forward_hook"):
        raise TypeError(f"expected a torch.nn.Module, found {type(module).__name__}")
    return Watched(
        tap, module, embedding=embedding, images=images, outputs=outputs, metadata=metadata
    )


def flat(tensor: Any) -> Any:
    """An embedding (n, d) of (n, d), of tokens (n, t, d) or of maps (n, d, h, w): their means."""
    tensor = tensor.detach()
    if tensor.ndim == 3:
        return tensor.mean(dim=1)
    return tensor.flatten(2).mean(dim=2) if tensor.ndim > 3 else tensor


def _outputs_of(found: Any) -> Any:
    logits = found.get("logits") if isinstance(found, Mapping) else getattr(found, "logits", None)
    if logits is not None:
        return logits
    if isinstance(found, list | tuple):
        return _outputs_of(found[0])
    if isinstance(found, Mapping):
        return next(iter(found.values()))
    if is_dataclass(found):
        values = (getattr(found, one.name) for one in fields(found))
        return next(one for one in values if hasattr(one, "shape"))
    return found


class _Hook:
    """A hook that stays behind where its module is copied or pickled, as ``torch.save`` does."""

    def __init__(self, call: Callable[..., None]) -> None:
        self._call = call

    def __call__(self, *given: Any, **named: Any) -> None:
        if not _is_building():
            self._call(*given, **named)

    def __reduce__(self) -> tuple[Callable[[], Callable[..., None]], tuple[()]]:
        return _no_hook, ()


def _no_hook() -> Callable[..., None]:
    return _nothing


def _nothing(*given: Any, **named: Any) -> None:
    return None


def _is_building() -> bool:
    """Whether torch runs the module only to make a program of it: nothing is inferred."""
    torch = sys.modules["torch"]
    exporting = getattr(torch.compiler, "is_exporting", None)
    return bool(torch.jit.is_tracing() or (exporting is not None and exporting()))


def _outside(call: Callable[..., None]) -> _Hook:
    """A hook that is never compiled: where a caller compiles the whole, it breaks the graph here.

    Compilers look at the function that a call ends in, which for an object is its class's.
    """
    disabled = sys.modules["torch"].compiler.disable(_Hook.__call__)
    outside: type[_Hook] = type("Outside", (_Hook,), {"__call__": disabled})
    return outside(call)
