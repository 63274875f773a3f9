"""What a tap is given, checked and put together; loaded with the first tap, not with its class."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigil.arguments import keys_of, name_of, seconds_of, whole_of
from vigil.build import Build
from vigil.measuring.measure import Measure
from vigil.privacy.guard import Guard, privacy_of
from vigil.privacy.pictures import Pictures
from vigil.recording import beside, library
from vigil.recording.inside import Inside
from vigil.recording.on_device import DeviceOption, device_option
from vigil.ring.identity import Identity
from vigil.shipping.transport import HttpTransport, Transport

Home = library.Library | beside.Beside


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """The arguments of ``vigil.tap.Tap``, in the form in which they are used.

    ``identity``: what each boot's identity starts from. ``source`` is None where each process has
    one of its own; ``sidecar`` where there is none.
    """

    identity: Identity
    source: str | None
    measure: Measure
    guard: Guard | None
    pictures: Pictures
    device: DeviceOption
    max_records: int
    max_bytes: int
    spool: Path | None
    sidecar: Path | None
    transport: Transport

    @classmethod
    def of(cls, model: Any, version: Any, given: dict[str, Any]) -> Given:
        """Raises:
        ValueError: something that can't be used.
        """
        keys = keys_of(given["keys"])
        privacy = privacy_of(given["privacy"], thumbnails=given["thumbnails"], keys=keys)
        thumbnails = privacy.pixels != "none"
        measure = Measure(
            task=given["task"],
            outputs_are=given["outputs_are"],
            thumbnails=thumbnails,
            signals=given["signals"],
            plugins=given["plugins"],
            keys=keys,
            pictures=privacy.pixels == "full",
        )
        source, sidecar = given["source"], given["sidecar"]
        default = library.DEFAULT_BYTES if sidecar is None else beside.DEFAULT_BYTES
        device = device_option(given["device"])
        return cls(
            identity=Identity(
                model=name_of("model", model),
                version="" if version is None else name_of("version", version),
                deployment=name_of("deployment", given["deployment"]),
                source="",
                boot="",
                keys=keys,
                window_s=seconds_of("window_s", given["window_s"]),
                sample_size=whole_of("sample_size", given["sample_size"], least=0),
                thumbnails=thumbnails,
                picture_bytes=privacy.picture_bytes if privacy.pixels == "full" else 0,
                outputs_are=given["outputs_are"],
                task=given["task"],
                signals=measure.own,
                plugins=tuple(given["plugins"]),
                build=Build.of(**{k: given[k] for k in ("preprocessing", "hardware", "schema")}),
            ),
            source=None if source is None else name_of("source", source),
            measure=measure,
            guard=Guard(privacy) if privacy.changes_records else None,
            pictures=Pictures(privacy),
            device=False if privacy.keeps_from_devices else device,
            max_records=whole_of("queue_records", given["queue_records"], least=1),
            max_bytes=whole_of("queue_bytes", given["queue_bytes"] or default, least=1),
            spool=None if given["spool"] is None else Path(given["spool"]),
            sidecar=None if sidecar is None else Path(sidecar),
            transport=given["transport"]
            or HttpTransport(given["service"], given["token"] or os.environ.get("VIGIL_TOKEN")),
        )

    def home(self, identity: Identity, now_s: Callable[[], float], inside: Inside) -> Home:
        """Where the records of a boot go.

        Args:
            identity: of the boot.
            now_s: seconds since 1970.
            inside: the threads that are in the tap.
        """
        bounds = {"max_records": self.max_records, "max_bytes": self.max_bytes}
        if self.sidecar is not None:
            return beside.Beside(
                identity, folder=self.sidecar, pictures=self.pictures, inside=inside, **bounds
            )
        return library.Library(
            identity,
            spool=self.spool,
            transport=self.transport,
            measure=self.measure,
            now_s=now_s,
            inside=inside,
            device=self.device,
            pictures=self.pictures,
            **bounds,
        )
