"""The messages of the protocol's ``grpc_predict_v2.proto``, made by protobuf's own library."""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_KIND = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _KIND.TYPE_BOOL,
    "int32": _KIND.TYPE_INT32,
    "int64": _KIND.TYPE_INT64,
    "uint32": _KIND.TYPE_UINT32,
    "uint64": _KIND.TYPE_UINT64,
    "float": _KIND.TYPE_FLOAT,
    "double": _KIND.TYPE_DOUBLE,
    "string": _KIND.TYPE_STRING,
    "bytes": _KIND.TYPE_BYTES,
}
_TENSOR = (
    "string name 1, string datatype 2, *int64 shape 3, map parameters 4, "
    "InferTensorContents contents 5"
)
_MESSAGES = {
    "InferParameter": "?bool bool_param 1, ?int64 int64_param 2, ?string string_param 3, "
    "?double double_param 4, ?uint64 uint64_param 5",
    "InferTensorContents": "*bool bool_contents 1, *int32 int_contents 2, *int64 int64_contents 3, "
    "*uint32 uint_contents 4, *uint64 uint64_contents 5, *float fp32_contents 6, "
    "*double fp64_contents 7, *bytes bytes_contents 8",
    "InferTensor": _TENSOR,
    "Wanted": "string name 1, map parameters 2",
    "ModelInferRequest": "string model_name 1, string model_version 2, string id 3, "
    "map parameters 4, *InferTensor inputs 5, *Wanted outputs 6, *bytes raw_input_contents 7",
    "ModelInferResponse": "string model_name 1, string model_version 2, string id 3, "
    "map parameters 4, *InferTensor outputs 5, *bytes raw_output_contents 6",
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live 1",
}


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="oip.proto", package="inference", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in filter(None, fields.split(", ")):
            kind, field, number = text.split()
            one = message.field.add(name=field, number=int(number), label=_KIND.LABEL_OPTIONAL)
            if kind.startswith("*"):
                one.label, kind = _KIND.LABEL_REPEATED, kind[1:]
            if kind.startswith("?"):
                if not message.oneof_decl:
                    message.oneof_decl.add(name="choice")
                one.oneof_index, kind = 0, kind[1:]
            if kind == "map":
                entry = message.nested_type.add(name="ParametersEntry")
                entry.options.map_entry = True
                entry.field.add(
                    name="key", number=1, type=_KIND.TYPE_STRING, label=_KIND.LABEL_OPTIONAL
                )
                entry.field.add(
                    name="value",
                    number=2,
                    type=_KIND.TYPE_MESSAGE,
                    type_name=".inference.InferParameter",
                    label=_KIND.LABEL_OPTIONAL,
                )
                one.label, one.type = _KIND.LABEL_REPEATED, _KIND.TYPE_MESSAGE
                one.type_name = f".inference.{name}.ParametersEntry"
            elif kind in _SCALARS:
                one.type = _SCALARS[kind]
            else:
                one.type, one.type_name = _KIND.TYPE_MESSAGE, f".inference.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def message(name: str, /, **fields: Any) -> Any:
    """A message of that name."""
    kind = message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"inference.{name}"))
    return kind(**fields)
