"""A small, strict server of the Open Inference Protocol: HTTP with JSON and binary data, and gRPC.

Its model takes images ``x`` (n, 3, 8, 8) FP32 and gives ``features`` (n, 4) and ``scores`` (n, 3).
It refuses what the protocol forbids. ``seen`` is every HTTP request as it came.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
from oip_proto import message

JSON_LENGTH = "Inference-Header-Content-Length"
SHAPE = (3, 8, 8)


def infer(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features and scores of images (n, 3, 8, 8)."""
    features = x.reshape(len(x), 3, -1).mean(axis=2)
    features = np.concatenate([features, features.max(axis=1, keepdims=True)], axis=1)
    raw = np.exp(features[:, :3])
    return features.astype("<f4"), (raw / raw.sum(axis=1, keepdims=True)).astype("<f4")


class _Server(ThreadingHTTPServer):
    request_queue_size = 256


class OipServer:
    """``name``: of the model. ``trouble``: what the next HTTP inference does instead."""

    def __init__(self, name: str = "reader", version: str = "3") -> None:
        self.name, self.version = name, version
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.trouble = ""
        self.closing = threading.Event()

    @contextmanager
    def http(self, tls: ssl.SSLContext | None = None) -> Iterator[str]:
        handler = type("Handler", (_Handler,), {"server_": self})
        server = _Server(("127.0.0.1", 0), handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            self.closing.set()
            server.shutdown()
            server.server_close()
            thread.join(5)

    @contextmanager
    def grpc(self) -> Iterator[str]:
        server = grpc.server(
            ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 256 * 2**20)]
        )
        server.add_generic_rpc_handlers((_Grpc(self),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait(5)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict, bytes]:
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if path not in (
            f"/v2/models/{self.name}/infer",
            f"/v2/models/{self.name}/versions/{self.version}/infer",
        ):
            return _error(404, "unknown model")
        length = headers.get(JSON_LENGTH.lower())
        try:
            split = len(body) if length is None else int(length)
            plain = json.loads(body[:split])
            (x,) = plain["inputs"]
            if (x["name"], x["datatype"]) != ("x", "FP32") or tuple(x["shape"][1:]) != SHAPE:
                return _error(400, "x must be FP32 (n, 3, 8, 8)")
            size = x.get("parameters", {}).get("binary_data_size")
            if size is None:
                values = np.array(x["data"], "<f4").reshape(x["shape"])
            elif size != len(body) - split:
                return _error(400, "binary data of another size")
            else:
                values = np.frombuffer(body[split:], "<f4").reshape(x["shape"])
        except (ValueError, KeyError, TypeError) as error:
            return _error(400, f"malformed: {error!r}")
        wants = {one["name"]: one.get("parameters", {}) for one in plain.get("outputs", [])}
        every = plain.get("parameters", {}).get("binary_data_output", False)
        outputs, raw = [], b""
        for name, array in zip(("features", "scores"), infer(values), strict=True):
            one: dict[str, Any] = {"name": name, "datatype": "FP32", "shape": list(array.shape)}
            if wants.get(name, {}).get("binary_data", every):
                one["parameters"] = {"binary_data_size": array.nbytes}
                raw += array.tobytes()
            else:
                one["data"] = array.reshape(-1).tolist()
            outputs.append(one)
        said = {"model_name": self.name, "model_version": self.version, "outputs": outputs}
        if "id" in plain:
            said["id"] = plain["id"]
        text = json.dumps(said).encode()
        if not raw:
            return 200, {"Content-Type": "application/json"}, text
        return (
            200,
            {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(text))},
            text + raw,
        )


def _error(status: int, text: str) -> tuple[int, dict, bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps({"error": text}).encode()


class _Handler(BaseHTTPRequestHandler):
    server_: OipServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            parts.append(self.rfile.read(size))
            assert self.rfile.readline() == b"\r\n"
            if size == 0:
                return b"".join(parts)

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body()
        self.server_.seen.append(("POST", self.path, dict(self.headers.items()), body))
        trouble, self.server_.trouble = self.server_.trouble, ""
        if trouble == "500":
            self._send(*_error(500, "out of memory"))
        elif trouble == "hang":
            self.server_.closing.wait(20)
            self.close_connection = True
        elif trouble == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif trouble == "early":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            self.close_connection = True
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        elif trouble == "nonsense":
            self._send(200, {"Content-Type": "application/json"}, b'{"outputs": 7}')
        else:
            status, more, answer = self.server_.answer(self.path, headers, body)
            self._send(status, more, answer, chunked=trouble == "chunked")

    def do_GET(self) -> None:
        self.server_.seen.append(("GET", self.path, dict(self.headers.items()), b""))
        known = {"/v2/health/ready": b"", "/v2": b'{"name": "small", "version": "1"}'}
        if self.path in known:
            self._send(200, {"X-Served-By": "small"}, known[self.path])
        else:
            self._send(*_error(404, "not here"))

    do_HEAD = do_GET

    def _send(self, status: int, headers: dict, body: bytes, *, chunked: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header(
            *(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body))))
        )
        self.end_headers()
        if self.command == "HEAD":
            return
        if not chunked:
            self.wfile.write(body)
            return
        for at in range(0, len(body), 7):
            part = body[at : at + 7]
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")


class _Grpc(grpc.GenericRpcHandler):
    def __init__(self, server: OipServer) -> None:
        self._server = server

    def service(self, details: Any) -> Any:
        name = details.method.rpartition("/")[2]
        if name == "ModelInfer":
            return grpc.unary_unary_rpc_method_handler(self._infer)
        if name == "ServerLive":
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: message(
                    "ServerLiveResponse", live=True
                ).SerializeToString()
            )
        if name == "ModelStreamInfer":
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return None

    def _stream(self, requests: Any, context: Any) -> Iterator[bytes]:
        for request in requests:
            yield self._infer(request, context)

    def _infer(self, raw: bytes, context: Any) -> bytes:
        request = message("ModelInferRequest")
        request.ParseFromString(raw)
        if request.model_name != self._server.name:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown model")
        if request.id == "fail":
            context.abort(grpc.StatusCode.INTERNAL, "out of memory")
        (x,) = request.inputs
        if request.raw_input_contents:
            (contents,) = request.raw_input_contents
            values = np.frombuffer(contents, "<f4")
        else:
            values = np.array(x.contents.fp32_contents, "<f4")
        if tuple(x.shape[1:]) != SHAPE or values.size != np.prod(x.shape):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "x must be FP32 (n, 3, 8, 8)")
        arrays = infer(values.reshape(x.shape))
        if request.id == "gzip":
            context.set_compression(grpc.Compression.Gzip)
        return message(
            "ModelInferResponse",
            model_name=self._server.name,
            model_version=self._server.version,
            id=request.id,
            outputs=[
                message("InferTensor", name=name, datatype="FP32", shape=array.shape)
                for name, array in zip(("features", "scores"), arrays, strict=True)
            ],
            raw_output_contents=[array.tobytes() for array in arrays],
        ).SerializeToString()
