"""What gRPC's clients see through the proxy is what they would see without it."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from oip_proto import message
from oip_server import OipServer

from monitor.proxy.exchange import Kind
from monitor.proxy.pairs_http2 import INFER

X = np.random.default_rng(0).random((2, 3, 8, 8)).astype("<f4")


def a_request(name: str = "r1", model: str = "reader") -> bytes:
    x = message("InferTensor", name="x", datatype="FP32", shape=X.shape)
    return message(
        "ModelInferRequest",
        model_name=model,
        id=name,
        inputs=[x],
        raw_input_contents=[X.tobytes()],
    ).SerializeToString()


def test_grpc_calls_pass_unchanged_with_metadata_and_streams(server: OipServer, watched):
    with server.grpc() as target:
        through = watched(target, http2=True)
        address = f"127.0.0.1:{through.port}"
        with grpc.insecure_channel(address) as channel, grpc.insecure_channel(target) as direct:
            infer = channel.unary_unary(INFER)
            replies = [
                infer(a_request(f"r{i}"), timeout=10, metadata=[("traceparent", "00-a")])
                for i in range(3)
            ]
            assert replies[0] == direct.unary_unary(INFER)(a_request("r0"), timeout=10)
            live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"")
            stream = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
            streamed = list(stream(iter([a_request("s1"), a_request("s2")])))
            packed = infer(a_request("gzip"), compression=grpc.Compression.Gzip)
            through.wait("passed", 2)
    assert (live, len(streamed)) == (b"\x08\x01", 2)
    assert packed
    through.wait("calls", 4)
    assert through.counts == {"calls": 4, "passed": 2}
    first = through.exchanges[0]
    assert (first.kind, first.request_headers["traceparent"]) == (Kind.GRPC, "00-a")
    assert b"".join(first.request.parts)[5:] == a_request("r0")
    assert b"".join(first.response.parts)[5:] == replies[0]
    assert through.exchanges[3].response_headers["grpc-encoding"] == "gzip"


def test_grpc_errors_and_time_limits_pass(server: OipServer, watched):
    with server.grpc() as target:
        through = watched(target, http2=True)
        with grpc.insecure_channel(f"127.0.0.1:{through.port}") as channel:
            infer = channel.unary_unary(INFER)
            codes = []
            for request in (a_request("fail"), a_request(model="other"), b"\xff"):
                with pytest.raises(grpc.RpcError) as caught:
                    infer(request, timeout=10)
                codes.append(caught.value.code().name)
            assert codes[:2] == ["INTERNAL", "NOT_FOUND"]
    through.wait("calls", 3)
    assert through.counts["failed"] + through.counts["refused"] == 3
    assert (through.counts["refused"], through.exchanges) == (1, [])
    assert through.budget.used == 0


def test_a_large_grpc_message_passes_and_is_not_kept(server: OipServer, watched):
    """Flow control of HTTP/2 is between client and server: 20 MB pass in many frames."""
    x = message("InferTensor", name="x", datatype="FP32", shape=[27_000, 3, 8, 8])
    request = message(
        "ModelInferRequest",
        model_name="reader",
        inputs=[x],
        raw_input_contents=[b"\0" * (27_000 * 3 * 64 * 4)],
    ).SerializeToString()
    assert len(request) > 20e6
    with server.grpc() as target:
        through = watched(target, http2=True)
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        with grpc.insecure_channel(f"127.0.0.1:{through.port}", options=options) as channel:
            channel.unary_unary(INFER)(request, timeout=20)
        through.wait("too_large", 1)
    assert through.counts == {"calls": 1, "too_large": 1}
