"""People with a token in hand."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from dashboard.accounts.models import User
from dashboard.api.services import make_token

JSON = "application/json"
ALL = ("read", "write", "audit")


class Program:
    """Asks the API, as a program with a token does."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request; ``path`` is what comes after ``/api/v1``."""
        sent = {"Authorization": f"Bearer {self.secret}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        content = {} if method in {"get", "head"} else {"content_type": JSON}
        content |= {"data": body} if body is not None else {}
        return getattr(self.client, method)(f"/api/v1{path}", headers=sent, **content)

    def get(self, path: str, **headers: str) -> Any:
        """A GET that works, and its document."""
        response = self("get", path, **headers)
        assert response.status_code == 200, response.content
        return response.json()


Programs = Callable[..., Program]


@pytest.fixture
def program(_empty_cache: None) -> Programs:
    """Make a token for somebody, and a program that has it."""

    def made(person: User, *scopes: str, name: str = "laptop") -> Program:
        _, secret = make_token(owner=person, name=name, scopes=scopes or ALL, days=30)
        return Program(secret)

    return made


@pytest.fixture
def problem() -> Callable[..., Any]:
    """Judge an error, and give its document."""

    def judged(response: Any, status: int, kind: str) -> Any:
        assert response.status_code == status, response.content
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["Cache-Control"] == "no-store"
        told = response.json()
        assert told["status"] == status
        assert told["type"] == f"urn:curfew:problem:{kind}"
        assert told["title"]
        assert told["detail"]
        return told

    return judged
