"""Fixtures for requests to the API."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from dashboard.accounts.models import User
from dashboard.api.services import create_token

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday
JSON = "application/json"
ALL = ("read", "write", "audit")


class Program:
    """A client of the API with a token."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request; ``path`` follows ``/api/v1``."""
        sent = {"Authorization": f"Bearer {self.secret}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        content = {} if method in {"get", "head"} else {"content_type": JSON}
        content |= {"data": body} if body is not None else {}
        return getattr(self.client, method)(f"/api/v1{path}", headers=sent, **content)

    def get(self, path: str, **headers: str) -> Any:
        """Return the document of a GET that succeeds."""
        response = self("get", path, **headers)
        assert response.status_code == 200, response.content
        return response.json()


Programs = Callable[..., Program]


@pytest.fixture
def program(_empty_cache: None) -> Programs:
    """Create a token and a client that sends it."""

    def made(person: User, *scopes: str, name: str = "laptop") -> Program:
        _, secret = create_token(owner=person, name=name, scopes=scopes or ALL, days=30)
        return Program(secret)

    return made


@pytest.fixture
def asks(program: Programs, operator: User) -> Program:
    """An operator's program."""
    return program(operator)


@pytest.fixture
def in_november() -> Iterator[None]:
    """Let it be ``NOW``."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def problem() -> Callable[..., Any]:
    """Check an error and return its document."""

    def check(response: Any, status: int, kind: str) -> Any:
        assert response.status_code == status, response.content
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["Cache-Control"] == "no-store"
        body = response.json()
        assert body["status"] == status
        assert body["type"] == f"urn:curfew:problem:{kind}"
        assert body["title"]
        assert body["detail"]
        return body

    return check
