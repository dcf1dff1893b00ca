"""Nobody stops the site by being slow, whatever stands in front of it."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest

from .serving import PROXIES, Serving, behind, connect

pytestmark = pytest.mark.stack

MANY = 40
"""Ten times as many as the web server has threads."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serving")
    with Serving(
        folder,
        CURFEW_TRUSTED_PROXIES="1",
        CURFEW_HTTPS="false",
        CURFEW_WRITES_PER_MINUTE="0",
    ) as serving:
        serving.prepare(instances=8_000)
        yield serving


@pytest.fixture(scope="module", params=["nothing", *PROXIES])
def port(
    request: pytest.FixtureRequest,
    site: Serving,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[int]:
    """Where people reach it: straight, or through a proxy."""
    if request.param == "nothing":
        yield site.port
        return
    folder = tmp_path_factory.mktemp(request.param) / "files"
    with behind(request.param, site.port, folder) as port:
        yield port


def form(port: int, *, length: int = 2_000, **headers: str) -> bytes:
    """The head of a sign-in, which makes Django read the body."""
    token = "abcdefghijklmnopqrstuvwxyz012345"
    fields = {
        "Host": "127.0.0.1",
        "Origin": "http://127.0.0.1",
        "Cookie": f"csrftoken={token}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(length),
        **headers,
    }
    lines = [f"{name}: {value}\r\n" for name, value in fields.items()]
    return ("POST /accounts/login/ HTTP/1.1\r\n" + "".join(lines) + "\r\n").encode()


@contextmanager
def many(
    port: int, say: bytes, *, number: int = MANY, receives: int = 0
) -> Iterator[list[socket.socket]]:
    """Clients that have all said the same and wait."""
    with ExitStack() as stack:
        clients = []
        for _ in range(number):
            client = stack.enter_context(connect(port, receives=receives))
            client.sendall(say)
            clients.append(client)
        yield clients


def all_is_well(site: Serving, port: int) -> None:
    """A probe, a page, and a poll without news are answered, several times."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Cookie": site.session},
        trust_env=False,
        timeout=30,
    ) as browser:
        for _ in range(3):
            assert browser.get("/healthz").text == "ok"
            page = browser.get("/instances/")
            assert page.status_code == 200
            url, grant = poller(page.text)
            for _ in range(3):
                headers = {"Curfew-Poll-Token": grant, "HX-Request": "true"}
                answer = browser.get(url, headers=headers)
                assert answer.status_code == 204
                assert not answer.content


def poller(page: str) -> tuple[str, str]:
    """What a page's poller asks for, and its grant."""
    url = re.search(r'<div id="poller"[^>]* hx-get="([^"]+)"', page)
    grant = re.search(r'"Curfew-Poll-Token": "([^"]+)"', page)
    assert url
    assert grant
    return url[1].replace("&amp;", "&"), grant[1]


def test_the_slow_hold_up_nobody(site: Serving, port: int) -> None:
    export = (
        "GET /instances/export.json HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Cookie: {site.session}\r\n\r\n"
    )
    head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
    with (
        many(port, form(port) + b"a=") as silent,
        many(port, form(port) + b"a=") as dripping,
        many(port, head) as incomplete,
        many(port, export.encode(), number=8, receives=4_096) as readers,
        drip([*dripping, *incomplete]),
    ):
        for reader in readers:
            assert reader.recv(1) == b"H"
        all_is_well(site, port)
        # Each body that never comes is ended, mostly with 408; a proxy may say it in
        # its own way.
        for client in silent:
            assert client.recv(65_536)[:9] in {b"", b"HTTP/1.1 "}
        if port == site.port:
            # A byte now and then buys no time.
            for client in (*dripping, *incomplete):
                assert ended(client)


@contextmanager
def drip(clients: list[socket.socket]) -> Iterator[None]:
    """Send a byte on each from time to time."""
    enough = threading.Event()

    def work() -> None:
        while not enough.wait(0.2):
            for client in clients:
                with suppress(OSError):
                    client.sendall(b"a")

    dripping = threading.Thread(target=work)
    dripping.start()
    try:
        yield
    finally:
        enough.set()
        dripping.join()


def ended(client: socket.socket) -> bool:
    """Whether the server hangs up, with 408 or without a word that arrives."""
    try:
        answer = client.recv(65_536)
    except ConnectionError:
        return True
    return answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


def test_a_thousand_idle_connections_keep_nobody_out(site: Serving) -> None:
    with many(site.port, b"", number=1_100):
        all_is_well(site, site.port)


def test_an_idle_connection_is_closed(site: Serving) -> None:
    with many(site.port, b"", number=1) as [client]:
        assert client.recv(1) == b""


def test_a_head_without_end_is_refused(site: Serving) -> None:
    with many(site.port, b"GET / HTTP/1.1\r\nX-Large: ", number=1) as [client]:
        with suppress(ConnectionError):
            for _ in range(1_000):
                client.sendall(b"a" * 1_024)
        with suppress(ConnectionError):
            assert client.recv(65_536).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "say",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
    ids=["no HTTP", "too large a head"],
)
def test_an_answer_of_the_server_itself_has_the_headers(
    site: Serving, say: bytes
) -> None:
    with many(site.port, say, number=1) as [client]:
        answer = client.recv(65_536).lower()
    assert answer.startswith((b"http/1.1 400 ", b"http/1.1 431 "))
    assert b"content-security-policy: default-src 'none'" in answer
    assert b"x-frame-options: deny" in answer


def test_a_body_in_chunks_is_read(site: Serving) -> None:
    body = b"login=nobody&password=wrong"
    head = form(site.port).replace(
        b"Content-Length: 2000", b"Transfer-Encoding: chunked"
    )
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    with many(site.port, head + chunks, number=1) as [client]:
        # The token of the form is missing, which Django sees in the body it has read.
        assert client.recv(65_536).startswith(b"HTTP/1.1 403 ")


def test_a_body_that_is_too_long_is_not_waited_for(site: Serving) -> None:
    with many(site.port, form(site.port, length=10_000_000), number=1) as [client]:
        answer = client.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer.lower()


FORGED = ("X_Forwarded_For", "x_forwarded-for", "X-Forwarded_For")


@pytest.mark.parametrize("name", FORGED)
def test_nobody_forges_their_address(site: Serving, port: int, name: str) -> None:
    before = len(site.ask("failed_sign_ins"))
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60
    ) as browser:
        page = browser.get("/accounts/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token
        # Not one name: its tries would be used up.
        fields = {"login": f"nobody-{port}-{name}", "password": "wrong"}
        # Some proxies sort what they pass on: with more names theirs is not the last.
        more = {f"Y-{number}": "1" for number in range(1, 5)}
        for forged in ({}, more):
            browser.post(
                "/accounts/login/",
                data=fields | {"csrfmiddlewaretoken": token[1]},
                headers={name: "203.0.113.7", **forged},
            )
            browser.get("/healthz", headers={name: "203.0.113.7", **forged})
    told = site.ask("failed_sign_ins")[before:]
    # Straight, no proxy has said where it comes from.
    assert told == 2 * [None if port == site.port else "127.0.0.1"]
    assert not [line for line in site.log() if line.get("address") == "203.0.113.7"]
