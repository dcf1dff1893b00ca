"""What stands between the network and Django: requests in, answers out, each whole."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dashboard.web import gateway
from dashboard.web.gateway import Gateway, Later


def run[T](coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread: a browser's tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


def echo(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Answers with the body it was sent."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read()]


def make(application: Application, **options: Any) -> Gateway:
    values: dict[str, Any] = {
        "shortcut": lambda environ: None,
        "threads": 2,
        "longest_body": 100,
        "plain_headers": [("X-Frame-Options", "DENY")],
    }
    return Gateway(application, **values | options)  # type: ignore[arg-type]


class Exchange:
    """One request and what came of it.

    Attributes:
        status: Of the answer; 0 when there was none.
        headers: Of the answer.
        body: What the client has taken.
    """

    def __init__(
        self,
        *parts: bytes,
        method: str = "GET",
        path: bytes = b"/",
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self._messages = [
            {"type": "http.request", "body": part, "more_body": number < len(parts)}
            for number, part in enumerate(parts, 1)
        ] + [{"type": "http.disconnect"}]
        self.scope: Any = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "raw_path": path,
            "query_string": b"a=%C3%A4",
            "headers": list(headers),
            "client": ("192.0.2.9", 4711),
            "server": ("192.0.2.1", 8000),
        }
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.asked_for_body = False

    async def receive(self) -> Any:
        self.asked_for_body = True
        return self._messages.pop(0)

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message["body"]

    def through(self, application: Gateway) -> "Exchange":
        run(application(self.scope, self.receive, self.send))  # type: ignore[arg-type]
        return self


def test_the_application_gets_what_the_client_has_sent() -> None:
    received: Environ = {}

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        received.update(environ)
        return echo(environ, start_response)

    headers = [
        (b"host", b"curfew.example"),
        (b"content-type", b"text/plain"),
        (b"content-length", b"6"),
        (b"x-forwarded-for", b"203.0.113.1"),
        (b"x-forwarded-for", b"198.51.100.1"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
    ]
    exchange = Exchange(
        b"abc", b"def", method="POST", path=b"/caf%C3%A9/", headers=headers
    ).through(make(application))
    assert exchange.body == b"abcdef"
    assert exchange.headers[b"content-length"] == b"6"
    assert received["PATH_INFO"].encode("latin-1").decode() == "/café/"
    assert received["QUERY_STRING"] == "a=%C3%A4"
    assert received["CONTENT_TYPE"] == "text/plain"
    assert received["CONTENT_LENGTH"] == "6"
    assert received["HTTP_HOST"] == "curfew.example"
    assert received["HTTP_X_FORWARDED_FOR"] == "203.0.113.1,198.51.100.1"
    assert received["HTTP_COOKIE"] == "a=1; b=2"
    assert received["REMOTE_ADDR"] == "192.0.2.9"
    assert received["SERVER_PORT"] == "8000"


@pytest.mark.parametrize("name", [b"x_forwarded_for", b"x-forwarded_for", b"_"])
def test_a_name_with_an_underscore_is_not_passed_on(name: bytes) -> None:
    headers = [(name, b"203.0.113.7"), (b"x-forwarded-for", b"198.51.100.1")]
    environ = gateway.environ_of(Exchange(headers=headers).scope)
    assert environ["HTTP_X_FORWARDED_FOR"] == "198.51.100.1"
    assert "203.0.113.7" not in environ.values()


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (b"/curfew/instances/", "/instances/"),
        (b"/curfew/", "/"),
        (b"/curfew", ""),
        (b"/curfewed/", "/curfewed/"),
        # Health checks do not come through the proxy.
        (b"/healthz", "/healthz"),
        # Once, whatever follows.
        (b"/curfew/curfew/", "/curfew/"),
    ],
)
def test_the_path_of_the_site_is_not_part_of_the_path(asked: bytes, path: str) -> None:
    environ = gateway.environ_of(Exchange(path=asked).scope, "/curfew")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/curfew", path)


def test_nothing_of_the_process_s_environment_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CURFEW_SECRET_KEY", "a canary in the environment")
    environ = gateway.environ_of(Exchange().scope)
    assert "a canary in the environment" not in map(str, environ.values())


def test_a_request_without_a_body_does_not_wait_for_one() -> None:
    exchange = Exchange().through(make(echo))
    assert exchange.status == 200
    assert not exchange.asked_for_body


def test_a_body_in_chunks_has_a_length_then() -> None:
    headers = [(b"transfer-encoding", b"chunked")]
    exchange = Exchange(b"abc", b"de", method="POST", headers=headers)
    assert exchange.through(make(echo)).body == b"abcde"


def test_a_client_that_leaves_early_is_not_served() -> None:
    headers = [(b"content-length", b"6")]
    exchange = Exchange(method="POST", headers=headers)

    def never(*_: Any) -> Iterable[bytes]:
        raise AssertionError("the application was asked")

    assert exchange.through(make(never)).status == 0


@pytest.mark.parametrize(
    "header", [(b"content-length", b"101"), (b"transfer-encoding", b"chunked")]
)
def test_a_long_body_is_not_kept(header: tuple[bytes, bytes]) -> None:
    lengths = []

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        lengths.append(int(environ["CONTENT_LENGTH"]))
        return echo(environ, start_response)

    parts = [b"a" * 60] * 1_000
    exchange = Exchange(*parts, method="POST", headers=[header])
    exchange.through(make(application))
    assert lengths[0] > 100
    assert len(exchange.body) < 200
    assert exchange.headers[b"connection"] == b"close"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_has_no_length(status: str) -> None:
    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response(status, [])
        return []

    exchange = Exchange().through(make(application))
    assert exchange.status == int(status[:3])
    assert b"content-length" not in exchange.headers


def test_a_head_request_keeps_its_content_length() -> None:
    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "7")])
        return []

    exchange = Exchange(method="HEAD").through(make(application))
    assert exchange.headers[b"content-length"] == b"7"


@pytest.mark.parametrize("at", ["once", "in the middle"])
def test_an_uncaught_error_is_a_plain_500_with_all_headers(at: str) -> None:
    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        if at == "once":
            raise RuntimeError("secret")
        start_response("200 OK", [])

        def chunks() -> Iterator[bytes]:
            yield b"begun"
            raise RuntimeError("secret")

        return chunks()

    exchange = Exchange().through(make(application))
    assert exchange.status == 500
    assert exchange.headers[b"x-frame-options"] == b"DENY"
    assert b"secret" not in exchange.body
    assert b"begun" not in exchange.body


def test_an_answer_is_closed_in_the_thread_that_made_it() -> None:
    threads = []

    class Chunks(list[bytes]):
        def close(self) -> None:
            threads.append(threading.current_thread())

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        threads.append(threading.current_thread())
        start_response("200 OK", [])
        return Chunks([b"a", b"b"])

    assert Exchange().through(make(application)).body == b"ab"
    assert threads[0] is threads[1] is not threading.current_thread()


def test_what_is_known_takes_no_thread() -> None:
    def never(*_: Any) -> Iterable[bytes]:
        raise AssertionError("the application was asked")

    quick = make(never, shortcut=lambda environ: ("204 No Content", [("A", "b")]))
    exchange = Exchange().through(quick)
    assert exchange.status == 204
    assert exchange.headers == {b"a": b"b"}


class TestPolls:
    """Requests for the same answer, and too many of those that can come back later."""

    class Poll(Exchange):
        """A poll of a page."""

        def __init__(self, page: str) -> None:
            super().__init__(path=f"/{page}".encode())

    class Site:
        """An application that answers the polls that a test releases.

        Attributes:
            asked: Pages of the polls that have arrived in it, in turn.
            known: Pages whose other polls the shortcut answers.
        """

        def __init__(self) -> None:
            self.asked: list[str] = []
            self.known: set[str] = set()
            self.may_go_on = threading.Event()
            self.gateway = make(self.application, shortcut=self.shortcut)

        def shortcut(self, environ: Any) -> gateway.Response | gateway.Later:
            page = environ["PATH_INFO"]
            return ("204 No Content", []) if page in self.known else Later(page[1:])

        def application(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
            self.asked.append(environ["PATH_INFO"])
            self.may_go_on.wait(60)
            return echo(environ, start_response)

        async def ask(self, *polls: Exchange) -> None:
            """Send all polls, and let the application answer once all have arrived."""
            tasks = [
                asyncio.create_task(
                    self.gateway(poll.scope, poll.receive, poll.send)  # type: ignore[arg-type]
                )
                for poll in polls
            ]
            await asyncio.sleep(0)
            self.may_go_on.set()
            await asyncio.gather(*tasks)

    def test_the_first_one_answers_the_others(self) -> None:
        site = self.Site()
        polls = [self.Poll(page) for page in "aabab"]

        def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
            site.known.add(environ["PATH_INFO"])
            return site.application(environ, start_response)

        site.gateway = make(application, shortcut=site.shortcut)
        run(site.ask(*polls))
        assert sorted(site.asked) == ["/a", "/b"]
        assert sorted(poll.status for poll in polls) == [200, 200, 204, 204, 204]

    def test_without_an_answer_for_all_each_gets_its_own(self) -> None:
        site = self.Site()
        polls = [self.Poll("a") for _ in range(8)]
        run(site.ask(*polls))
        assert site.asked == ["/a"] * 8
        assert {poll.status for poll in polls} == {200}

    def test_a_failure_of_the_first_one_is_its_own(self) -> None:
        site = self.Site()

        def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
            if not site.asked:
                site.asked.append("fails")
                raise RuntimeError
            return site.application(environ, start_response)

        site.gateway = make(application, shortcut=site.shortcut)
        polls = [self.Poll("a") for _ in range(3)]
        run(site.ask(*polls))
        assert sorted(poll.status for poll in polls) == [200, 200, 500]

    def test_no_poll_waits_for_one_that_cannot_help(self) -> None:
        site = self.Site()
        polls = [self.Poll("") for _ in range(2)]
        run(site.ask(*polls))
        assert site.asked == ["/", "/"]

    def test_when_too_many_wait_the_next_comes_back_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gateway, "MAX_QUEUED_POLLS", 1)
        site = self.Site()
        first, second, of_a_page = self.Poll(""), self.Poll(""), self.Poll("a")
        run(site.ask(first, second, of_a_page))
        assert (first.status, second.status) == (200, 204)
        assert second.headers[b"retry-after"] == b"5"
        assert second.headers[b"x-frame-options"] == b"DENY"
        # It answers all that wait for it.
        assert of_a_page.status == 200

    def test_pages_have_room_when_too_many_polls_wait(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gateway, "MAX_QUEUED_POLLS", 0)
        assert Exchange().through(make(echo)).status == 200


def test_a_long_answer_is_whole() -> None:
    whole = bytes(range(256)) * 20_000

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return (whole[at : at + 1_000] for at in range(0, len(whole), 1_000))

    exchange = Exchange().through(make(application))
    assert exchange.headers[b"content-length"] == str(len(whole)).encode()
    assert exchange.body == whole


def test_when_too_many_wait_the_next_gets_503(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway, "MAX_QUEUED", 1)
    may_go_on = threading.Event()

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        may_go_on.wait(60)
        return echo(environ, start_response)

    site = make(application)

    async def ask() -> tuple[Exchange, Exchange]:
        first, second = Exchange(), Exchange()
        waiting = asyncio.create_task(site(first.scope, first.receive, first.send))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await site(second.scope, second.receive, second.send)  # type: ignore[arg-type]
        may_go_on.set()
        await waiting
        return first, second

    first, second = run(ask())
    assert (first.status, second.status) == (200, 503)
    assert second.headers[b"retry-after"] == b"5"
    assert second.headers[b"x-frame-options"] == b"DENY"


def test_for_one_long_answer_too_many_the_oldest_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway, "MAX_FILES", 1)
    monkeypatch.setattr(gateway, "MEMORY_BYTES", 10)
    whole = b"a" * 3 * gateway.CHUNK_BYTES

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [whole]

    class Stalled(Exchange):
        """Takes the head and a chunk, and then nothing."""

        async def send(self, message: Any) -> None:
            if self.body:
                await asyncio.get_running_loop().create_future()
            await super().send(message)

    site = make(application)

    async def ask() -> tuple[Exchange, Exchange]:
        slow, quick = Stalled(), Exchange()
        reading = asyncio.create_task(site(slow.scope, slow.receive, slow.send))  # type: ignore[arg-type]
        while not slow.body:
            await asyncio.sleep(0)
        await site(quick.scope, quick.receive, quick.send)  # type: ignore[arg-type]
        await reading
        return slow, quick

    slow, quick = run(ask())
    assert quick.body == whole
    assert len(slow.body) == gateway.CHUNK_BYTES
