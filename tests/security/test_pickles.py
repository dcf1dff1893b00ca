"""A pickle in Redis runs nothing: neither in the queue nor in the cache.

Each has a twin that takes our setting away and shows that the pickle is a live one.
"""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from django.core.cache import cache
from django.core.cache.backends.redis import RedisSerializer

from dashboard.celery import app
from tests.ops.processes import wait_until

# The first worker in a process has Django check itself, and it asks the database what
# it can.
pytestmark = [pytest.mark.usefixtures("_empty_cache"), pytest.mark.django_db]

PICKLE = "application/x-python-serialize"
Push = Callable[..., None]


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.fixture
def crater(tmp_path: Path) -> Path:
    """The file that exists once a pickle was run."""
    return tmp_path / "crater"


@pytest.fixture
def done() -> Iterator[list[str]]:
    """What the task ``tests.note`` was told."""
    found: list[str] = []

    def note(text: str) -> None:
        found.append(text)

    app.finalize()
    app.task(name="tests.note", lazy=False)(note)
    yield found
    app.tasks.pop("tests.note")


@pytest.fixture
def push() -> Iterator[Push]:
    """Put a message for ``tests.note`` into the queue, as whoever reaches Redis can."""
    with app.connection_for_write() as connection, connection.channel() as channel:

        def pushed(body: bytes, content_type: str) -> None:
            headers = {"task": "tests.note", "id": "x", "lang": "py", "argsrepr": ""}
            encoding = "binary" if content_type == PICKLE else "utf-8"
            with app.amqp.Producer(channel) as producer:
                producer.publish(
                    body,
                    routing_key="default",
                    exchange="default",
                    declare=[app.amqp.queues["default"]],
                    headers=headers,
                    correlation_id="x",
                    content_type=content_type,
                    content_encoding=encoding,
                )

        yield pushed
        app.amqp.queues["default"](channel).purge()


def work(until: Callable[[], bool]) -> None:
    """Let a real worker take what is in the queue."""
    worker = start_worker(
        app, pool="solo", perform_ping_check=False, queues=["default"], loglevel="ERROR"
    )
    with worker:
        wait_until(until, seconds=20)


@pytest.mark.parametrize("said", [PICKLE, "application/json"])
def test_in_the_queue(push: Push, done: list[str], crater: Path, said: str) -> None:
    push(pickle.dumps(([Bomb(crater)], {}, {})), said)
    app.send_task("tests.note", ["after it"], queue="default")
    work(until=lambda: bool(done))
    assert done == ["after it"], "the worker goes on"
    assert not crater.exists()


def test_in_a_queue_that_takes_pickles_it_would_run(
    push: Push, done: list[str], crater: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.conf, "accept_content", ["json", "pickle"])
    push(pickle.dumps(([Bomb(crater)], {}, {})), PICKLE)
    work(until=crater.exists)


def test_in_the_cache(crater: Path) -> None:
    plant(pickle.dumps(Bomb(crater)))
    assert cache.get("planted") is None
    assert cache.get_many(["planted"]) == {"planted": None}
    assert not crater.exists()


def test_in_a_cache_of_django_s_own_kind_it_would_run(
    crater: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(pickle.dumps(Bomb(crater)))
    monkeypatch.setattr(cache._cache, "_serializer", RedisSerializer())
    cache.get("planted")
    assert crater.exists()


def plant(value: bytes) -> None:
    cache._cache.get_client(write=True).set(cache.make_key("planted"), value)
