"""The OpenAPI contracts and the printed samples, and a client that checks answers."""

import http.client
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from dashboard.emulator import Emulator
from dashboard.emulator.people import DOMAIN_NAME

DOCUMENTS = Path(__file__).parent / "documents"


def sample(name: str) -> Any:
    return json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))


def members(value: Any, path: str = "") -> set[str]:
    """Return the paths of all members, without those in arrays."""
    if not isinstance(value, dict):
        return set()
    names = set()
    for name, inner in value.items():
        names |= {f"{path}.{name}"} | members(inner, f"{path}.{name}")
    return names


class Contract:
    """An OpenAPI document."""

    def __init__(self, name: str) -> None:
        text = (DOCUMENTS / name).read_text(encoding="utf-8")
        self.document = yaml.safe_load(text)

    def validate(self, value: Any, schema: dict[str, Any]) -> None:
        """Raise jsonschema.ValidationError unless the value has this schema."""
        whole = schema | {"components": self.document["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)

    def validate_answer(self, method: str, path: str, status: int, value: Any) -> None:
        """Validate an answer; KeyError for one that the contract does not know."""
        for template, item in self.document["paths"].items():
            # "notebooks/all" is none of "notebooks/{id}": it comes first.
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                response = item[method.lower()]["responses"][str(status)]
                if "$ref" in response:
                    name = response["$ref"].rpartition("/")[2]
                    response = self.document["components"]["responses"][name]
                if "content" not in response:
                    assert value is None
                    return
                self.validate(value, response["content"]["application/json"]["schema"])
                return
        raise KeyError(path)


class CheckedApi:
    """Validates every answer of ModelArts before handing it out."""

    def __init__(self, cloud: Emulator, contract: Contract, path: str) -> None:
        self.cloud = cloud
        self.contract = contract
        self.base = f"/v1/{cloud.project_id}/{path}"
        self.headers = {"Content-Type": "application/json"}
        user = cloud.service_user
        identity = sample("iam-token-request-project-scope")["auth"]["identity"]
        identity["password"]["user"] = {
            "name": user.name,
            "password": user.password,
            "domain": {"name": DOMAIN_NAME},
        }
        auth = {"identity": identity, "scope": {"project": {"id": cloud.project_id}}}
        _, self.token, headers = self.raw("POST", "/v3/auth/tokens", {"auth": auth})
        self.headers["X-Auth-Token"] = headers["X-Subject-Token"]

    def raw(
        self, method: str, path: str, body: Any = None
    ) -> tuple[int, Any, dict[str, str]]:
        host, port = self.cloud.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, self.headers)
        response = connection.getresponse()
        body = response.read()
        document = json.loads(body) if body else None
        answer = response.status, document, dict(response.headers)
        connection.close()
        return answer

    def send(self, method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
        target = f"{self.base}{path}"
        status, document, _ = self.raw(method, target, body)
        path = target.partition("?")[0]
        self.contract.validate_answer(method, path, status, document)
        return status, document
