"""The pipeline of one boot, put together: in the tap's own process, or in a sidecar's."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from vigil.measuring.measure import Measure
from vigil.pipeline.drain import Drain
from vigil.pipeline.journal import Journal
from vigil.pipeline.recorder import Recorder
from vigil.pipeline.rulers import RulerCache
from vigil.pipeline.steps import Pipeline
from vigil.ring.identity import Identity
from vigil.ring.memory import Memory
from vigil.shipping.shipper import Shipper
from vigil.shipping.spool import Spool
from vigil.shipping.transport import Transport


def measure_of(identity: Identity) -> Measure:
    """Raises:
    ValueError: signals that are not declared here.
    """
    return Measure(
        task=cast(Any, identity.task),
        outputs_are=identity.outputs_are,
        thumbnails=identity.thumbnails,
        signals=identity.signals,
        plugins=identity.plugins,
        keys=identity.keys,
        pictures=identity.picture_bytes > 0,
    )


def pipeline_of(
    identity: Identity,
    memory: Memory,
    *,
    spool: Spool,
    transport: Transport,
    rulers: Path | None,
    shipper: Shipper | None = None,
    measure: Measure | None = None,
    journal: Journal | None = None,
) -> Pipeline:
    """Args:
        identity, memory: of the ring.
        spool: where windows wait.
        transport: the way to the service.
        rulers: the folder that keeps them; None keeps none.
        shipper: empties the spool; by default one of its own.
        measure: what calls are measured with; by default what the identity says.
        journal: where this process writes down what it took over; a pipeline goes on from there.

    Raises:
        ValueError: signals that are not declared here.
    """
    state = None if journal is None else journal.load()
    drain = Drain(memory, identity, position=0 if state is None else state.position)
    sequence = max(drain.reader.sequence, 0 if state is None else state.sequence)
    if state is not None:
        drain.reader.forgotten = state.forgotten
    if journal is not None:
        drain.reader.begin()

    def recorder(rulers_of: Callable[[str], Any]) -> Recorder:
        return Recorder(
            model=identity.model,
            deployment=identity.deployment,
            source=identity.source,
            boot=identity.boot,
            keys=identity.keys,
            window_s=identity.window_s,
            rulers=rulers_of,
            version=(state.version if state is not None else None) or identity.version or None,
            sample_size=identity.sample_size,
            informative_size=identity.sample_size // 2,
            keep_thumbnails=identity.thumbnails,
            build=identity.build,
            picture_bytes=identity.picture_bytes,
            first_sequence=sequence,
        )

    return Pipeline(
        drain=drain,
        rulers=RulerCache(
            model=identity.model,
            keys=identity.keys,
            transport=transport,
            deployment=identity.deployment,
            directory=rulers,
        ),
        recorder=recorder,
        spool=spool,
        shipper=shipper or Shipper(spool, transport, rng=random.Random(identity.boot)),
        measure=measure or measure_of(identity),
        monotonic=time.monotonic,
        journal=journal,
        state=state,
    )
