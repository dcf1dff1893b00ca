"""Pure functions that spoil the documents and bytes of answers."""

import copy
import zlib
from typing import Any

from .errors import billing_refusal, gateway_refusal, iam_refusal, service_refusal
from .faults import Fault
from .instance import overlaid
from .message import Answer, Request

_HTML = "<html><body><h1>502 Bad Gateway</h1><hr>some proxy</body></html>"

_WRONG_TYPES: dict[str, Any] = {
    "name": 4711,
    "description": ["not", "a", "string"],
    "creation_timestamp": {"ms": True},
    "latest_update_timestamp": "yesterday",
    "flavor_details": "none",
    "user": None,
    "spec": {"auto_stop": {"enable": "yes", "duration": "long", "prompt": 1}},
}
_UNKNOWN_ENUMS: dict[str, Any] = {
    "status": "HIBERNATING",
    "flavor_details": {"type": "QPU", "status": "onLoan", "promo_type": "Gift"},
    "profile": {"de_type": "Lab", "flavor_type": "QPU"},
    "spec": {"storage": {"type": "tape"}},
}
_NOTEBOOK_WRONG_TYPES: dict[str, Any] = {
    "name": 4711,
    "description": ["not", "a", "string"],
    "create_at": {"ms": True},
    "update_at": "yesterday",
    "flavor": ["none"],
    "user": None,
    "lease": {"enable": "yes", "duration": "long", "type": 1},
}
_NOTEBOOK_UNKNOWN_ENUMS: dict[str, Any] = {
    "status": "HIBERNATING",
    "feature": "LAB",
    "lease": {"type": "LUNAR"},
    "image": {"type": "BORROWED"},
    "volume": {"category": "TAPE"},
}
_NAN = float("nan")
_NANS: dict[str, Any] = {
    "spec": {
        "auto_stop": {"duration": _NAN, "remain_time": _NAN, "stop_timestamp": _NAN}
    },
}
_NOTEBOOK_NANS: dict[str, Any] = {
    "lease": {"duration": _NAN, "create_at": _NAN, "update_at": _NAN},
}
_PRICE_WRONG_TYPES: dict[str, Any] = {"amount": ["much"], "measure_id": "yuan"}
_PRICE_UNKNOWN_ENUMS: dict[str, Any] = {"measure_id": 99}
_PRICE_NANS: dict[str, Any] = {"amount": _NAN, "official_website_amount": _NAN}
_USUAL_SIZES = {
    "big_body": 10_000_000,
    "big_header": 200_000,
    "gzip_bomb": 200_000_000,
    "deep_nesting": 10_000,
    "total_wrong": 7,
}
#: Codes by status, for a fault without a code (D.3).
_USUAL_CODES = {
    400: "ModelArts.0101",
    401: "APIG.0301",
    403: "ModelArts.0108",
    404: "APIG.0101",
    408: "ModelArts.6100",
    409: "ModelArts.6357",
    413: "ModelArts.4104",
    429: "APIG.0308",
    502: "APIG.0202",
    503: "APIG.0613",
    504: "APIG.0203",
}
#: The same for the billing service (E.1).
_USUAL_BILLING_CODES = {
    400: "CBC.0100",
    403: "CBC.0151",
    429: "CBC.0250",
    500: "CBC.0999",
}


def usual_size(fault: Fault) -> int:
    return fault.size or _USUAL_SIZES[fault.kind]


def error_answer(fault: Fault, request: Request, status: int) -> Answer:
    """Return an error in the shape of its sender: IAM, gateway or a service."""
    usual = _USUAL_CODES
    if request.path.startswith("/v2/bills/"):
        usual = usual | _USUAL_BILLING_CODES
    code = fault.code or usual.get(status, "ModelArts.0010")
    service, _, digits = code.partition(".")
    if request.path.startswith("/v3") and not fault.code and status >= 400:
        refusal = iam_refusal(status, fault.message)
    elif service == "ModelArts":
        refusal = service_refusal(digits, fault.message, status)
    elif service == "CBC":
        refusal = billing_refusal(digits, fault.message, status)
    else:
        refusal = gateway_refusal(digits, fault.message, status, request.id)
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return Answer(status, refusal.body, headers)


def replacement(fault: Fault, request: Request) -> tuple[Answer, bytes]:
    """Return the answer sent instead of the genuine one, and its body."""
    match fault.kind:
        case "status":
            answer = error_answer(fault, request, fault.status or 500)
            return answer, answer.body()
        case "redirect":
            return Answer(fault.status or 307, None, {"Location": fault.location}), b""
        case "html":
            return Answer(200, None, {"Content-Type": "text/html"}), _HTML.encode()
        case "raw":
            headers = {"Content-Type": fault.content_type}
            body = fault.body.encode(errors="surrogatepass")
            return Answer(fault.status or 200, None, headers), body
        case _:
            return Answer(200), b""


def spoil_documents(fault: Fault, document: Any) -> Any:
    """Return the document with its records spoiled: all, or the fault's."""
    if not isinstance(document, dict):
        return document
    for name in ("instances", "data", "product_rating_results"):
        if name in document:
            spoiled = [
                _spoil_instance(fault, instance)
                if fault.instance_id in {None, instance.get("id")}
                else instance
                for instance in document[name]
            ]
            return document | {name: spoiled}
    return _spoil_instance(fault, document)


def _spoil_instance(fault: Fault, instance: dict[str, Any]) -> dict[str, Any]:
    match fault.kind:
        case "wrong_types" | "unknown_enum" | "nan":
            return overlaid(instance, _patch(fault.kind, instance))
        case "patch":
            return overlaid(instance, fault.patch)
        case _:
            spoiled = copy.copy(instance)
            for name in fault.fields:
                spoiled.pop(name, None)
            return spoiled


def _patch(kind: str, instance: dict[str, Any]) -> dict[str, Any]:
    """Return the patch for an instance of either generation, a lease or a price."""
    first, second, price = {
        "wrong_types": (_WRONG_TYPES, _NOTEBOOK_WRONG_TYPES, _PRICE_WRONG_TYPES),
        "unknown_enum": (
            _UNKNOWN_ENUMS,
            _NOTEBOOK_UNKNOWN_ENUMS,
            _PRICE_UNKNOWN_ENUMS,
        ),
        "nan": (_NANS, _NOTEBOOK_NANS, _PRICE_NANS),
    }[kind]
    if "measure_id" in instance:
        return price
    if "spec" in instance or "profile" in instance:
        return first
    if "duration" in instance:
        return dict(second["lease"])
    return second


def spoil_bytes(
    fault: Fault, body: bytes, headers: dict[str, str]
) -> tuple[bytes, dict[str, str]]:
    """Return the spoiled headers and body of an answer with a JSON object."""
    match fault.kind:
        case "content_type":
            return body, headers | {"Content-Type": "text/html"}
        case "big_header":
            return body, headers | {"X-Padding": "x" * usual_size(fault)}
        case "big_body":
            return _with_member(body, b'"' + b"x" * usual_size(fault) + b'"'), headers
        case "deep_nesting":
            depth = usual_size(fault)
            return _with_member(body, b"[" * depth + b"]" * depth), headers
        case "gzip_bomb":
            bomb = _compressed_spaces(body, usual_size(fault))
            return bomb, headers | {"Content-Encoding": "gzip"}
        case _:
            return body, headers


def _with_member(body: bytes, value: bytes) -> bytes:
    return body[:-1] + b', "x_padding": ' + value + b"}"


def _compressed_spaces(body: bytes, size: int) -> bytes:
    """Return gzip data of the body and this many spaces, which is valid JSON."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    block = b" " * 1_000_000
    parts = [compressor.compress(body)]
    parts += [compressor.compress(block) for _ in range(size // len(block))]
    return b"".join([*parts, compressor.flush()])
