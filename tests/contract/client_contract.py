"""A client whose requests are held against the contract, and the printed samples."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import httpx

from dashboard.modelarts.auth import StaticTokenAuth
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.cloud_config import CloudConfig

from .contracts import DOCUMENTS, Contract

PROJECT = "0123456789abcdef0123456789abcdef"


def samples(generation: str, *kinds: str) -> list[str]:
    """Return the samples of a generation whose path contains one of these texts."""
    paths = sorted(DOCUMENTS.rglob("*.json"))
    names = [str(path.relative_to(DOCUMENTS).with_suffix("")) for path in paths]
    of_generation = [name for name in names if generation in name]
    return [name for name in of_generation if any(kind in name for kind in kinds)]


def left_out(document: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of the members that a model does not keep."""
    for key, value in document.items():
        here = f"{path}.{key}".lstrip(".")
        if value is None:
            continue
        if key not in kept:
            yield here
        elif isinstance(value, dict):
            yield from left_out(value, kept[key], here)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for element, kept_element in zip(value, kept[key], strict=True):
                yield from left_out(element, kept_element, here)


class ClientContract(Contract):
    """An OpenAPI document, and the requests that it allows.

    Attributes:
        undocumented: Members of the query that the document lacks on purpose.
    """

    def __init__(self, name: str, *undocumented: str) -> None:
        super().__init__(name)
        self.undocumented = undocumented

    def client_of(
        self,
        answer: httpx.Response,
        take: Callable[[httpx.Request], httpx.Response] | None = None,
    ) -> ModelArtsClient:
        """Return a client that checks its requests and always gets this answer.

        Args:
            answer: To every request.
            take: Answers instead, and requests need not be in the document.
        """

        def check(request: httpx.Request) -> httpx.Response:
            self.check_request(request)
            return answer

        config = CloudConfig(
            name="test",
            endpoint="https://modelarts.eu-de.example.com",
            project_id=PROJECT,
            region="eu-de",
            auth=StaticTokenAuth("FAKE"),
        )
        return ModelArtsClient(config, transport=httpx.MockTransport(take or check))

    def validate_component(self, value: Any, name: str) -> None:
        self.validate(value, {"$ref": f"#/components/schemas/{name}"})

    def operation_of(
        self, request: httpx.Request
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the operation that a request calls, and its parameters."""
        segments = request.url.raw_path.decode().partition("?")[0].split("/")
        for template, item in self.document["paths"].items():
            parts = template.split("/")
            if len(parts) == len(segments) and all(
                part == unquote(segment) or part.startswith("{")
                for part, segment in zip(parts, segments, strict=True)
            ):
                operation = item[request.method.lower()]
                return operation, item["parameters"] + operation.get("parameters", [])
        raise AssertionError(f"{request.url.path} is not documented")

    def check_request(self, request: httpx.Request) -> None:
        operation, parameters = self.operation_of(request)
        query = dict(request.url.params)
        for parameter in parameters:
            if parameter["in"] != "query":
                continue
            text = query.pop(parameter["name"], None)
            assert text is not None or not parameter["required"], parameter["name"]
            if text is not None:
                whole = parameter["schema"].get("type") == "integer"
                self.validate(int(text) if whole else text, parameter["schema"])
        assert query.keys() <= set(self.undocumented)
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["X-Auth-Token"]
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self.validate(json.loads(request.content), schema)
        else:
            assert request.content == b""
