"""An emulator on a free port, and a plain HTTP client for it."""

import http.client
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from dashboard.emulator import Emulator, User
from dashboard.emulator.people import DOMAIN_NAME

#: A round moment: what depends on the time of day is the same in every run.
START_MS = 1_800_000_000_000
#: Time all but stands still: only a test moves it, however slow the machine.
STILL = 1e-9


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """Digits of the error code, after the service's name."""
        return self.json.get("error_code", "").rpartition(".")[2] or None


class Api:
    """A client of the emulator that follows only the documents."""

    def __init__(self, cloud: Emulator) -> None:
        self.cloud = cloud
        self.token: str | None = None
        self.base = f"/v1/{cloud.project_id}/demanager/instances"

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        host, port = self.cloud.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        sent = {"Content-Type": "application/json"}
        if self.token is not None:
            sent["X-Auth-Token"] = self.token
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            connection.request(method, path, body, sent | (headers or {}))
            response = connection.getresponse()
            return Reply(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(),
            )
        finally:
            connection.close()

    def sign_in(self, user: User | None = None, **changes: Any) -> Reply:
        user = user or self.cloud.service_user
        scope = changes.pop("scope", {"project": {"id": self.cloud.project_id}})
        given = {
            "name": user.name,
            "password": user.password,
            "domain": {"name": DOMAIN_NAME},
        } | changes
        identity = {"methods": ["password"], "password": {"user": given}}
        auth = {"identity": identity} | ({"scope": scope} if scope else {})
        reply = self.send("POST", "/v3/auth/tokens", {"auth": auth})
        if reply.status == 201:
            self.token = reply.headers["x-subject-token"]
        return reply

    def list(self, query: str = "de_type=Notebook&show_self=false") -> Reply:
        return self.send("GET", f"{self.base}?{query}")

    def show(self, instance_id: str) -> Reply:
        return self.send("GET", f"{self.base}/{instance_id}")

    def update(self, instance_id: str, body: Any) -> Reply:
        return self.send("PUT", f"{self.base}/{instance_id}", body)

    def act(self, instance_id: str, action: Any) -> Reply:
        return self.send(
            "POST", f"{self.base}/{instance_id}/action", {"action": action}
        )

    def create(self, **changes: Any) -> Reply:
        body: dict[str, Any] = {
            "name": "made-here",
            "profile_id": "Multi-Engine 1.0 (python3)-gpu",
            "flavor": "modelarts.vm.gpu.v100",
            "spec": {"storage": {"type": "evs", "location": {"volume_size": 5}}},
        }
        return self.send("POST", self.base, body | changes)

    def id_of(self, name: str) -> str:
        return next(i.id for i in self.cloud.fleet.instances() if i.name == name)


class NotebookApi(Api):
    """The same for the notebooks generation."""

    def __init__(self, cloud: Emulator) -> None:
        super().__init__(cloud)
        self.base = f"/v1/{cloud.project_id}/notebooks"

    def list(self, query: str = "limit=50", path: str = "/all") -> Reply:
        return self.send("GET", f"{self.base}{path}?{query}")

    def names(self, query: str, path: str = "/all") -> Sequence[str]:
        """Return the names on a page, in order."""
        reply = self.list(query, path)
        assert reply.status == 200, reply.json
        return [notebook["name"] for notebook in reply.json["data"]]

    def start(self, notebook_id: str, query: str = "") -> Reply:
        return self.send("POST", f"{self.base}/{notebook_id}/start{query}")

    def stop(self, notebook_id: str) -> Reply:
        return self.send("POST", f"{self.base}/{notebook_id}/stop")

    def lease(self, notebook_id: str) -> Reply:
        return self.send("GET", f"{self.base}/{notebook_id}/lease")

    def renew(self, notebook_id: str, body: Any = None, query: str = "") -> Reply:
        return self.send("PATCH", f"{self.base}/{notebook_id}/lease{query}", body)

    def create(self, **changes: Any) -> Reply:
        body: dict[str, Any] = {
            "name": "made-here",
            "flavor": "modelarts.vm.cpu.2u",
            "image_id": "e1a07296-22a8-4f05-8bc8-e936c8e54090",
            "volume": {"category": "evs", "ownership": "managed", "capacity": 50},
        }
        return self.send("POST", self.base, body | changes)

    def delete(self, notebook_id: str) -> Reply:
        return self.send("DELETE", f"{self.base}/{notebook_id}")

    def change_tags(self, notebook_id: str, tags: Any, *, add: bool) -> Reply:
        method, path = ("POST", "create") if add else ("DELETE", "delete")
        body = {"tags": tags}
        return self.send(method, f"{self.base}/{notebook_id}/tags/{path}", body)

    def behave(self, **changes: Any) -> None:
        """Set switches of the cloud, by its control plane."""
        assert self.send("POST", "/_emulator/behavior", changes).status == 200

    def id_of(self, name: str) -> str:
        return next(n.id for n in self.cloud.notebooks.notebooks() if n.name == name)


@pytest.fixture
def cloud() -> Iterator[Emulator]:
    """Sixty instances, at a fixed time."""
    # Tokens outlast the leaps of the clock; what becomes of them is test_iam.py.
    with Emulator(
        fleet=60,
        seed=1,
        speed=STILL,
        start_ms=START_MS,
        token_seconds=30 * 86_400,
    ) as emulator:
        yield emulator


@pytest.fixture
def api(cloud: Emulator) -> Api:
    """Signed in as the service user."""
    api = Api(cloud)
    assert api.sign_in().status == 201
    return api


@pytest.fixture
def notebook_cloud() -> Iterator[Emulator]:
    """Sixty notebooks and no other instances, at a fixed time."""
    with Emulator(
        fleet=60,
        notebooks=1.0,
        speed=STILL,
        start_ms=START_MS,
        token_seconds=30 * 86_400,
    ) as emulator:
        yield emulator


@pytest.fixture
def notebooks(notebook_cloud: Emulator) -> NotebookApi:
    """Signed in as the service user."""
    api = NotebookApi(notebook_cloud)
    assert api.sign_in().status == 201
    return api
