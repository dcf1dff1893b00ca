"""While the database is away every page says so, and what was typed is kept."""

import html
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from psycopg_pool import ConnectionPool, PoolTimeout

from dashboard.accounts.backend import SessionStore
from dashboard.accounts.models import User
from dashboard.accounts.sessions import ACTIVE_AT
from dashboard.web import database
from tests.conftest import PASSWORD
from tests.servers import PostgresServer

FAULT: list[Exception] = []


def caused(kind: type[Exception], cause: Exception) -> Exception:
    """As Django raises what its driver raised."""
    fault = kind(str(cause))
    fault.__cause__ = cause
    return fault


def sqlite_says(folder: Path, do: Callable[[sqlite3.Connection], Any]) -> Exception:
    """The error of the driver while another process is writing."""
    writer = sqlite3.connect(folder / "db", isolation_level=None)
    reader = sqlite3.connect(folder / "db", isolation_level=None, timeout=0)
    try:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as raised:
            do(reader)
    finally:
        writer.close()
        reader.close()
    return caused(OperationalError, raised.value)


def broken(request: HttpRequest) -> HttpResponse:
    raise FAULT[0]


urlpatterns = [
    path("", broken, name="home"),
    path("broken", broken),
    path("accounts/login/", broken, name="account_login"),
]
handler500 = "dashboard.web.errors.server_error"


@pytest.fixture
def hurt(client: Client, viewer: User) -> Client:
    """Somebody signed in, whose answer is looked at, faults or not."""
    client.force_login(viewer)
    client.raise_request_exception = False
    return client


@pytest.fixture
def no_sessions(hurt: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is gone before the first middleware has asked it."""

    def gone(self: SessionStore) -> Any:
        raise caused(OperationalError, PoolTimeout("no connection after 5.00 sec"))

    monkeypatch.setattr(SessionStore, "_get_session_from_db", gone)


@pytest.mark.parametrize(
    "fault",
    [
        caused(OperationalError, psycopg.errors.AdminShutdown("terminated")),
        caused(OperationalError, psycopg.errors.CannotConnectNow("starting up")),
        caused(OperationalError, psycopg.errors.DiskFull("no space left")),
        caused(OperationalError, PoolTimeout("no connection")),
        InterfaceError("connection already closed"),
    ],
    ids=lambda fault: str(fault),
)
@override_settings(ROOT_URLCONF=__name__)
def test_a_page_says_when_to_come_back(hurt: Client, fault: Exception) -> None:
    FAULT[:] = [fault]
    answer = hurt.get("/broken?q=mine")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Temporarily unavailable" in answer.text
    assert 'href="/broken?q=mine"' in answer.text
    assert str(fault) not in answer.text


@override_settings(ROOT_URLCONF=__name__)
def test_so_it_does_when_sqlite_is_locked(hurt: Client, tmp_path: Path) -> None:
    FAULT[:] = [sqlite_says(tmp_path, lambda db: db.execute("BEGIN IMMEDIATE"))]
    assert hurt.get("/broken").status_code == 503


@override_settings(ROOT_URLCONF=__name__)
def test_a_wrong_question_is_our_fault(hurt: Client, tmp_path: Path) -> None:
    FAULT[:] = [sqlite_says(tmp_path, lambda db: db.execute("SELECT * FROM nowhere"))]
    assert hurt.get("/broken").status_code == 500
    FAULT[:] = [IntegrityError("not unique")]
    assert hurt.get("/broken").status_code == 500


def test_so_it_does_when_the_session_cannot_be_saved(
    hurt: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = hurt.session
    session[ACTIVE_AT] -= 600  # so that this click is stored
    session.save()

    def locked(self: Session, **options: Any) -> None:
        cause = sqlite3.OperationalError("database is locked")
        raise caused(OperationalError, cause) from cause

    monkeypatch.setattr(Session, "save", locked)
    answer = hurt.get("/edits/")
    assert answer.status_code == 503
    assert "Temporarily unavailable" in answer.text


def test_a_session_that_someone_ended_is_not_stored_again(hurt: Client) -> None:
    session = hurt.session
    Session.objects.all().delete()
    with pytest.raises(UpdateError):
        session.save()


@pytest.mark.usefixtures("no_sessions")
@pytest.mark.parametrize("url", ["/edits/", "/instances/", "/no/such/page", "/due/"])
def test_nobody_can_be_looked_up(hurt: Client, url: str) -> None:
    answer = hurt.get(url, headers={"Accept-Language": "de"})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert '<html lang="de"' in answer.text
    assert "Permissions-Policy" in answer.headers


@pytest.mark.usefixtures("no_sessions")
def test_what_was_typed_can_be_sent_again(hurt: Client) -> None:
    typed = {"description": 'up & "running"', "csrfmiddlewaretoken": "masked"}
    answer = hurt.post("/instances/demo/one/edit/", typed)
    assert answer.status_code == 503
    assert '<form method="post" action="/instances/demo/one/edit/">' in answer.text
    for name, value in typed.items():
        field = f'name="{name}" value="{html.escape(value)}"'
        assert field in answer.text


@override_settings(ROOT_URLCONF=__name__)
def test_a_password_is_not_handed_back(hurt: Client) -> None:
    FAULT[:] = [OperationalError("away")]
    answer = hurt.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    assert answer.status_code == 503
    assert PASSWORD not in answer.text
    assert "Go back and try again" in answer.text


@pytest.mark.usefixtures("no_sessions")
def test_a_poll_is_asked_to_try_again(hurt: Client) -> None:
    # htmx swaps no 5xx, and polling.js asks again: test_live_page.py.
    answer = hurt.get("/instances/changes?since=1", headers={"HX-Request": "true"})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.postgres
def test_dead_connections_are_replaced_together(settings: Any) -> None:
    with PostgresServer() as server:
        options = {"min_size": 8, "max_size": 8, "timeout": 5, "check": database._check}
        with ConnectionPool(server.url, kwargs={"autocommit": True}, **options) as pool:
            pool.wait()
            with psycopg.connect(server.url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
            with pool.connection() as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            assert pool.get_stats().get("requests_errors", 0) == 0


@pytest.mark.postgres
def test_a_server_that_stands_still_is_given_up() -> None:
    with (
        PostgresServer() as server,
        database.ConnectionWithTimeout.connect(
            server.url, autocommit=True
        ) as connection,
    ):
        assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SET statement_timeout = 100; SELECT pg_sleep(60)")
        assert not connection.closed
        connection.execute("SET statement_timeout = 0")
        connection.patience_seconds = 0.2
        with pytest.raises(database.StallError):
            connection.execute("SELECT pg_sleep(60)")
        assert connection.closed
