"""What a person says of a model: options of the command, or tables of a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from monitor.proxy.privacy_options import needs_boxes, privacy_of
from monitor.proxy.spec import Recorded
from monitor.proxy.tensor_use import TensorUse, check_together
from vigil.errors import ConfigError
from vigil.types import TASKS

WHERE = "command line"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOptions:
    """As the command's options of the same names have them."""

    model: str = ""
    served_as: str = ""
    tensors: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    version: str = ""
    version_name: str = "{version}"
    own_ids: bool = False
    task: str = "classification"
    outputs_are: str = "probabilities"
    thumbnails: bool = False
    privacy: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: str = ""
    hardware: str = ""
    schema: str = ""

    @property
    def served_name(self) -> str:
        return self.served_as or self.model

    def recorded(
        self, shared: Mapping[str, Any], *, hardware_signals: bool, where: str = WHERE
    ) -> Recorded:
        """What is recorded, with arguments of the tap that all models share.

        Raises:
            ConfigError: something that can't be used.
        """
        try:
            tensors = tuple(TensorUse.parse(one) for one in self.tensors)
            check_together(tensors)
        except ValueError as error:
            raise ConfigError(
                where, "--tensor", expected="ROLE=NAME[:OPTION...]", found=str(error)
            ) from None
        if self.task not in TASKS:
            raise ConfigError(
                where, "--task", expected=f"one of {', '.join(TASKS)}", found=self.task
            )
        names: tuple[str, ...] = ("model", "version", "task", "outputs_are")
        names += ("preprocessing", "hardware", "schema")
        headers = dict(_pair(one) for one in self.headers)
        tap = {name: getattr(self, name) for name in names} | {"keys": list(self.keys)}
        tap["version"] = self.version or None
        return Recorded(
            served_name=self.served_name,
            tensors=tensors,
            version_name=self.version_name,
            headers=headers,
            parameters=self.parameters,
            own_ids=self.own_ids,
            hardware_signals=hardware_signals,
            privacy=self._privacy(where, {*headers.values(), *self.parameters}, tensors),
            tap={**shared, **tap},
        )

    def _privacy(
        self, where: str, metadata: Set[str], tensors: Sequence[TensorUse]
    ) -> dict[str, Any]:
        """Raises:
        ConfigError: a privacy that can't be, or that nothing in the calls could satisfy.
        """
        plain = dict(self.privacy)
        if self.thumbnails:
            plain.setdefault("pixels", "thumbnails")
        if self.thumbnails and plain["pixels"] != "thumbnails":
            raise ConfigError(where, "thumbnails", expected="pixels alone", found="both")
        try:
            found = privacy_of(plain)
        except ValueError as error:
            raise ConfigError(
                where, "privacy", expected="a privacy that can be kept to", found=str(error)
            ) from None
        unsaid = [key for key in found.consent if key not in metadata]
        if unsaid:
            raise ConfigError(
                where,
                "privacy.consent",
                expected="keys that a header or a parameter of calls has",
                found=", ".join(unsaid),
            )
        if needs_boxes(plain) and not any(use.role == "boxes" for use in tensors):
            raise ConfigError(
                where,
                "privacy.redact",
                expected="a tensor for boxes, which are hidden",
                found="none",
            )
        return plain


def read_models(path: Path, given: ModelOptions) -> list[ModelOptions]:
    """The models of a file: a table ``[[models]]`` each, with options' names as keys; what a table
    does not say is as ``given``.

    Raises:
        ConfigError: not such a file.
        OSError: it can't be read.
    """
    file = str(path)
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, "file", expected="TOML", found=str(error)) from None
    tables = plain.pop("models", [])
    if plain or not isinstance(tables, list) or not tables:
        raise ConfigError(
            file, "file", expected="[[models]] only", found=", ".join(plain) or "none"
        )
    models = [_table(file, f"models[{i}]", one, given) for i, one in enumerate(tables)]
    names = [one.served_name for one in models]
    if len(set(names)) < len(names):
        raise ConfigError(
            file, "models", expected="names of their own in the server", found=", ".join(names)
        )
    return models


def _table(file: str, key: str, plain: Any, given: ModelOptions) -> ModelOptions:
    known = {one.name for one in fields(ModelOptions)}
    if not isinstance(plain, dict) or not plain.get("model"):
        raise ConfigError(file, f"{key}.model", expected="a name", found="none")
    values: dict[str, Any] = {}
    for name, value in plain.items():
        if name not in known:
            raise ConfigError(
                file, f"{key}.{name}", expected=f"one of {', '.join(sorted(known))}", found=name
            )
        before = getattr(given, name)
        is_texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if isinstance(before, tuple) and is_texts:
            value = tuple(value)
        elif isinstance(before, Mapping) and isinstance(value, dict):
            value = {**before, **value}
        elif type(value) is not type(before):
            kind = "a list of text" if isinstance(before, tuple) else type(before).__name__
            kind = "a table" if isinstance(before, Mapping) else kind
            raise ConfigError(file, f"{key}.{name}", expected=kind, found=repr(value))
        values[name] = value
    return replace(given, **values)


def _pair(text: str) -> tuple[str, str]:
    name, _, key = text.partition("=")
    return name.lower(), key or name.lower()
