"""Fixtures for commands, which talk to the real application."""

from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections

from dashboard.accounts.models import User
from dashboard.api.services import create_token
from dashboard.cli import client, command_line, commands, completion, doctor


@pytest.fixture
def _connected() -> Iterator[None]:
    """Keep the test's connection open, which requests would close."""
    ends = (signals.request_started, signals.request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    yield
    for end in ends:
        end.connect(close_old_connections)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    _connected: None,
    _empty_cache: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[User], Run]:
    """Return a function that runs a command."""
    transport = httpx.WSGITransport(app=WSGIHandler(), raise_app_exceptions=False)
    for module in (command_line, completion, doctor):
        monkeypatch.setattr(module, "Api", partial(client.Api, transport=transport))
    monkeypatch.setattr(commands.time, "sleep", lambda seconds: None)

    def shell_of(person: User) -> Run:
        _, secret = create_token(
            owner=person, name="shell", scopes=["read", "write"], days=1
        )
        monkeypatch.setenv("CURFEW_URL", "http://localhost")
        monkeypatch.setenv("CURFEW_TOKEN", secret)

        def command(*arguments: str) -> tuple[int, str, str]:
            capsys.readouterr()
            code = command_line.main(arguments)
            printed = capsys.readouterr()
            assert secret not in printed.out + printed.err
            return code, printed.out, printed.err

        return command

    return shell_of


@pytest.fixture
def shell(run: Callable[[User], Run], operator: User) -> Run:
    return run(operator)
