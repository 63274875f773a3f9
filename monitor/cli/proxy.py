"""``vigil proxy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from monitor.cli.context import DeploymentOption, OutputsOption
from monitor.cli.output import say
from vigil.errors import ConfigError
from vigil.types import TASKS

_MEGABYTE = 2**20


def proxy(
    model: Annotated[
        str, typer.Option("--model", help="The model's name in vigil; or --models.")
    ] = "",
    models: Annotated[
        Path | None,
        typer.Option(
            "--models", help="A file with several models, a table each; other options hold for all."
        ),
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option("--upstream", help="The server's HTTP address, http(s)://host:port."),
    ] = None,
    upstream_grpc: Annotated[
        str | None, typer.Option("--upstream-grpc", help="Its gRPC address, host:port.")
    ] = None,
    listen: Annotated[
        str, typer.Option("--listen", help="Where clients' HTTP requests come in.")
    ] = "127.0.0.1:9000",
    listen_grpc: Annotated[
        str, typer.Option("--listen-grpc", help="Where clients' gRPC calls come in.")
    ] = "127.0.0.1:9001",
    listen_own: Annotated[
        str,
        typer.Option(
            "--listen-own", help="For /healthz, /metrics and /cloudevents; `none`: nowhere."
        ),
    ] = "127.0.0.1:9002",
    served_as: Annotated[
        str | None, typer.Option("--served-as", help="The model's name in the server; as --model.")
    ] = None,
    tensor: Annotated[
        list[str] | None,
        typer.Option(
            "--tensor", help="What a tensor is: ROLE=NAME[:OPTION...], such as images=input:nchw."
        ),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", help="A header to keep as metadata: NAME, or NAME=KEY."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", help="A request parameter to keep as metadata."),
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="A metadata key to slice by, at most four.")
    ] = None,
    version: Annotated[
        str, typer.Option("--version", help="The version where the server names none.")
    ] = "",
    version_name: Annotated[
        str,
        typer.Option("--version-name", help="What the server's versions are called: v{version}."),
    ] = "{version}",
    own_ids: Annotated[
        bool, typer.Option("--own-ids", help="Number the records, whatever ids requests have.")
    ] = False,
    service: Annotated[
        str, typer.Option("--service", help="The vigil service; its token in VIGIL_TOKEN.")
    ] = "http://127.0.0.1:8080",
    deployment: DeploymentOption = "production",
    source: Annotated[
        str | None, typer.Option("--source", help="This replica; by default host and process id.")
    ] = None,
    spool: Annotated[
        str | None, typer.Option("--spool", help="Folder in which windows wait for the service.")
    ] = None,
    sidecar: Annotated[
        str | None,
        typer.Option(
            "--sidecar", help="The folder of a `vigil sidecar`, which measures and ships instead."
        ),
    ] = None,
    window_s: Annotated[
        float, typer.Option("--window-s", help="Length of a window, as the service has it.")
    ] = 60.0,
    task: Annotated[
        str, typer.Option("--task", help=f"What the model does: {', '.join(TASKS)}.")
    ] = "classification",
    outputs_are: OutputsOption = "probabilities",
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Keep small copies of sampled images.")
    ] = False,
    pixels: Annotated[
        str, typer.Option("--pixels", help="Of sampled images keep none, thumbnails or full.")
    ] = "",
    consent: Annotated[
        list[str] | None,
        typer.Option("--consent", help="A metadata key without which nothing of a record is kept."),
    ] = None,
    hash_metadata: Annotated[
        list[str] | None,
        typer.Option("--hash-metadata", help="A metadata key whose values leave as hashes."),
    ] = None,
    hash_ids: Annotated[
        bool, typer.Option("--hash-ids", help="Ids of requests leave as hashes.")
    ] = False,
    salt_env: Annotated[
        str, typer.Option("--salt-env", help="The environment variable with the hashes' secret.")
    ] = "",
    preprocessing: Annotated[
        str, typer.Option("--preprocessing", help="Version of the preprocessing.")
    ] = "",
    hardware: Annotated[str, typer.Option("--hardware", help="What the model runs on.")] = "",
    schema: Annotated[
        str, typer.Option("--schema", help="Version of the model's inputs and outputs.")
    ] = "",
    hardware_signals: Annotated[
        bool, typer.Option("--hardware-signals", help="Record readings of GPU and host, too.")
    ] = False,
    triton_metrics: Annotated[
        str, typer.Option("--triton-metrics", help="URL of Triton's metrics, to fold in.")
    ] = "",
    connect_s: Annotated[
        float, typer.Option("--connect-s", min=0.1, help="How long a connection upstream may take.")
    ] = 5.0,
    max_body_mb: Annotated[
        int, typer.Option("--max-body-mb", min=1, max=1024, help="Larger messages pass unrecorded.")
    ] = 64,
    max_held_mb: Annotated[
        int,
        typer.Option("--max-held-mb", min=1, help="Beyond so much waiting, calls pass unrecorded."),
    ] = 512,
    pair_wait_s: Annotated[
        float, typer.Option("--pair-wait-s", min=0.1, help="How long half a CloudEvent call waits.")
    ] = 30.0,
) -> None:
    """Record an inference server's traffic as it passes: Triton, KServe, TorchServe and others.

    Stands between clients and a server of the Open Inference Protocol, HTTP or gRPC. Bytes pass
    unchanged; a process beside it decodes them and records. What a tensor is must be said with
    --tensor; without one, counts and latencies are recorded.
    """
    import asyncio
    import logging

    from monitor.proxy.addresses import listen_of, upstream_of
    from monitor.proxy.model_options import ModelOptions, read_models
    from monitor.proxy.run import Doors, Proxy, serve
    from monitor.proxy.spec import Plan

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if bool(model) == (models is not None):
        raise _wrong("--model", "either --model or --models", "both" if model else "neither")
    if sidecar is not None and spool is not None:
        raise _wrong("--spool", "the sidecar's spool alone", "both")
    privacy: dict[str, Any] = {
        "pixels": pixels,
        "consent": consent,
        "hash_metadata": hash_metadata,
        "ids": "hash" if hash_ids else "",
        "salt": {"env": salt_env} if salt_env else {},
    }
    options = ModelOptions(
        model=model,
        served_as=served_as or "",
        tensors=tuple(tensor or ()),
        headers=tuple(header or ()),
        parameters=tuple(parameter or ()),
        keys=tuple(key or ()),
        version=version,
        version_name=version_name,
        own_ids=own_ids,
        task=task,
        outputs_are=outputs_are,
        thumbnails=thumbnails,
        privacy={name: value for name, value in privacy.items() if value},
        preprocessing=preprocessing,
        hardware=hardware,
        schema=schema,
    )
    doors = Doors(
        http=None
        if upstream is None
        else (
            listen_of("--listen", listen),
            upstream_of("--upstream", upstream, speaks_http2=False, connect_s=connect_s),
        ),
        grpc=None
        if upstream_grpc is None
        else (
            listen_of("--listen-grpc", listen_grpc),
            upstream_of("--upstream-grpc", upstream_grpc, speaks_http2=True, connect_s=connect_s),
        ),
        own=None if listen_own == "none" else listen_of("--listen-own", listen_own),
        most_body=max_body_mb * _MEGABYTE,
        most_held=max_held_mb * _MEGABYTE,
    )
    if doors.http is None and doors.grpc is None and doors.own is None:
        raise _wrong("--upstream", "something to listen for", "nothing")
    shared = {
        "service": service,
        "deployment": deployment,
        "source": source,
        "window_s": window_s,
        "sidecar": sidecar,
    }
    several = [options] if models is None else read_models(models, options)
    plan = Plan(
        recorded=tuple(
            one.recorded(
                {**shared, "spool": _spool(spool, one.served_name, len(several))},
                hardware_signals=hardware_signals,
                where="command line" if models is None else f"{models}: {one.model}",
            )
            for one in several
        ),
        triton_metrics=triton_metrics,
        pair_wait_s=pair_wait_s,
    )

    def ready(running: Proxy) -> None:
        for name, door in (("http", doors.http), ("grpc", doors.grpc)):
            if door is not None:
                say(f"{name}: {door[0][0]}:{running.ports[name]} -> {door[1]}")
        if doors.own is not None:
            say(f"health, metrics, events: http://{doors.own[0]}:{running.ports['own']}")

    asyncio.run(serve(doors, plan, ready=ready))


def _spool(folder: str | None, served_name: str, models: int) -> str | None:
    """Each of several models has a folder of its own in it."""
    if folder is None or models == 1:
        return folder
    return str(Path(folder) / quote(served_name, safe=""))


def _wrong(option: str, expected: str, found: str) -> ConfigError:
    return ConfigError("command line", option, expected=expected, found=found)
