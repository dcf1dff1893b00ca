"""The production stack as docker-compose.yml describes it, in plain processes."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from dashboard.emulator import CANARIES
from tests.faults.cast import PASSWORD
from tests.faults.person import Person
from tests.servers import PostgresServer, RedisServer

from .compose import ComposedStack
from .processes import wait_until

pytestmark = [pytest.mark.stack, pytest.mark.postgres, pytest.mark.redis]


class Site(ComposedStack):
    """The stack, and what tests do with it."""

    postgres: PostgresServer
    redis: RedisServer

    def instances(self) -> list[dict[str, Any]]:
        """The cloud's own idea of instances that can be edited."""
        listed = self.cloud.get("instances").json()
        return [one for one in listed if one["status"] in {"RUNNING", "STOPPED"}]

    def in_cloud(self, instance: str) -> str:
        """An instance's description in the cloud."""
        found: str = self.cloud.get(f"instances/{instance}").json()["description"]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with PostgresServer(superuser="postgres") as postgres, RedisServer() as redis:
        site = Site(folder, postgres=postgres, redis=redis)
        site.postgres, site.redis = postgres, redis
        try:
            site.start()
            site.run(
                "web",
                *("python", "manage.py", "adduser", "olga"),
                *("--role", "operator", "--password-stdin"),
                typed=f"{PASSWORD}\n",
            )
            yield site
        finally:
            site.stop()


@pytest.fixture
def olga(site: Site) -> Iterator[Person]:
    """An operator, signed in."""
    person = Person("olga", site.url)
    yield person
    person.browser.close()


def applied(site: Site, instance: str, text: str) -> None:
    wait_until(lambda: site.in_cloud(instance) == text)


def wait_until_completed(olga: Person) -> None:
    """Wait until no edit is open any more, as the list of edits tells."""

    def none_open() -> bool:
        page = olga.browser.get("/edits/").raise_for_status().text
        return not re.search(r'data-state="(queued|sending|retrying)"', page)

    wait_until(none_open)


def back(olga: Person) -> None:
    """Wait until pages know that the database is back, a second later at most."""
    wait_until(lambda: olga.browser.get("/edits/").status_code == 200)


def test_an_edit_is_applied(site: Site, olga: Person) -> None:
    instance = site.instances()[0]["id"]
    olga.describe(instance, "Asked for in production")
    applied(site, instance, "Asked for in production")
    wait_until_completed(olga)


def test_doctor_finds_it_well(site: Site) -> None:
    """At the latest when the site, whose machine may be busy, has settled."""
    for _try in range(5):
        ended = site.try_run("worker-edits", "python", "manage.py", "doctor")
        shown = ended.stdout
        if ended.returncode == 0:
            break
    assert "✗" not in shown, f"{shown}{ended.stderr}"
    assert "✓ beat: " in shown
    assert "✓ cloud demo: " in shown


SECOND = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKS = f"0\r\n\r\n{SECOND}"


@pytest.mark.parametrize(
    ("lengths", "rest"),
    [
        (f"Content-Length: {len(CHUNKS)}\r\nTransfer-Encoding: chunked", CHUNKS),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", CHUNKS),
        ("Content-Length: 0\r\nContent-Length: 5", SECOND),
        ("Content-Length: +0", SECOND),
        ("Transfer-Encoding: identity", SECOND),
        ("Transfer-Encoding: xchunked\r\nContent-Length: 0", SECOND),
        ("Transfer-Encoding : chunked\r\nContent-Length: 0", CHUNKS),
    ],
    ids=["both", "chunked first", "two", "signed", "identity", "unknown", "blank"],
)
def test_where_a_request_ends_is_not_in_doubt(
    site: Site, lengths: str, rest: str
) -> None:
    """A proxy that took the other length would take the rest for another's request."""
    url = urlsplit(site.url)
    head = f"POST /healthz HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n\r\n"
    with socket.create_connection((str(url.hostname), url.port or 80), 10) as line:
        line.sendall((head + rest).encode())
        # Read to the end: the server hangs up, whatever else was sent.
        told = b"".join(iter(lambda: line.recv(4096), b"")).decode()
    assert re.findall(r"^HTTP/1.1 (\d+)", told, re.M) == ["400"]


def test_metrics_ask_for_the_token(site: Site) -> None:
    def ask(**headers: str) -> httpx.Response:
        return httpx.get(f"{site.url}/metrics", headers=headers, trust_env=False)

    assert ask().status_code == 401
    token = site.secrets["metrics_token"]
    shown = ask(Authorization=f"Bearer {token}").text
    assert "curfew_database_up 1.0" in shown
    assert "curfew_broker_up 1.0" in shown
    assert re.search(r'curfew_upstream_calls_total{cloud="demo",\S+ \d', shown)


def test_it_survives_a_restart_of_database_and_redis(site: Site, olga: Person) -> None:
    instance = site.instances()[1]["id"]
    form = olga.open(instance)
    site.postgres.stop()
    site.postgres.start()
    form.save(description="After the database")
    applied(site, instance, "After the database")
    site.redis.kill()
    olga.describe(instance, "While Redis is away")
    site.redis.start()
    applied(site, instance, "While Redis is away")
    wait_until_completed(olga)


def test_the_request_id_goes_all_the_way(site: Site, olga: Person) -> None:
    instance = site.instances()[2]["id"]
    olga.describe(instance, "Follow me")
    wait_until_completed(olga)

    def events(name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in site.log(name)]

    (posted,) = {
        event["request_id"]
        for event in events("web")
        if event["event"] == "request_finished"
        and instance in str(event.get("request"))
        and "POST" in str(event.get("request"))
    }
    moved = [
        (event["from_state"], event["to_state"], event["request_id"])
        for event in events("worker-edits")
        if event["event"] == "edit moved" and event["instance"] == instance
    ]
    assert moved == [("queued", "sending", posted), ("sending", "applied", posted)]


@pytest.mark.parametrize("name", ["web", "worker-edits", "worker-refresh", "beat"])
def test_every_line_is_json(site: Site, name: str) -> None:
    lines = site.log(name)
    for line in lines:
        event = json.loads(line)
        assert {"event", "level", "timestamp"} <= event.keys(), line
    assert lines or name == "beat"


def test_no_secret_is_kept_or_shown(site: Site, olga: Person) -> None:
    # Each kind of failure once: refused, unreadable, broken off, not there.
    instance = site.instances()[3]["id"]
    for fault in (
        {"kind": "status", "status": 401, "route": "show", "times": 1},
        {"kind": "truncate", "route": "show", "times": 1},
        {"kind": "drop", "route": "update", "times": 1},
    ):
        site.cloud.post("faults", json=fault).raise_for_status()
    olga.describe(instance, "Through thick and thin")
    applied(site, instance, "Through thick and thin")
    site.cloud.delete("faults")
    site.postgres.kill()
    away = olga.browser.get("/instances/")
    assert away.status_code == 503
    assert int(away.headers["Retry-After"]) > 0
    site.postgres.start()
    back(olga)
    wait_until_completed(olga)

    pages = [
        olga.browser.get(path).text
        for path in (
            *("/instances/", f"/instances/demo/{instance}/"),
            *(f"/instances/demo/{instance}/edit/", "/edits/", "/nowhere", "/readyz"),
        )
    ]
    wherever = {
        "pages": "\n".join(pages),
        "database": site.postgres.dump(),
        "redis": site.redis.dump().decode(errors="replace"),
        **{name: child.log_path.read_text() for name, child in site.children.items()},
    }
    # The emulator prints its clouds.yaml, as it should.
    del wherever["emulator"]
    addresses = {"database_url", "redis_url"}
    secrets = {
        **{name: held for name, held in site.secrets.items() if name not in addresses},
        "address of database": site.postgres.url,
        "address of redis": site.redis.url,
        "password of database and redis": "only-for-this-test",
        "password of olga": PASSWORD,
        "password of the cloud": "fake-password-of-curfew-service",
        **{canary: canary for canary in CANARIES},
    }
    leaks = [
        (name, place)
        for name, secret in secrets.items()
        for place, text in wherever.items()
        if secret in text
    ]
    assert leaks == []
