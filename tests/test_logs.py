"""Logs: one JSON object a line, and no secret in it, however it got there."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from dashboard import logs

CANARY = "canary-5b1f"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a handler with our formatter writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.formatter())
    logger = logging.getLogger("tests.canaries")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def line(written: io.StringIO) -> dict[str, Any]:
    (text,) = written.getvalue().splitlines()
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize(
    "key", ["password", "X-Auth-Token", "secret_key", "ak", "ssh_private_key", "Cookie"]
)
def test_values_of_secret_keys(written: io.StringIO, key: str) -> None:
    log = structlog.get_logger("tests.canaries")
    log.warning("seen", **{"held": {key: CANARY}, "name": "kept"})
    assert line(written)["name"] == "kept"
    assert CANARY not in written.getvalue()


@pytest.mark.parametrize(
    "address",
    [
        f"redis://:{CANARY}@redis:6379/0",
        f"postgres://curfew:{CANARY}@db:5432/curfew",
        f"amqps://u:{CANARY}@far.example//",
    ],
)
def test_passwords_in_addresses(written: io.StringIO, address: str) -> None:
    try:
        raise ConnectionError(f"cannot reach {address}")
    except ConnectionError:
        logging.getLogger("tests.canaries").exception("lost %s", address)
    event = line(written)
    assert "[redacted]@" in event["event"]
    assert "ConnectionError" in event["exception"]
    assert CANARY not in written.getvalue()


def test_one_event_is_one_line(written: io.StringIO) -> None:
    logging.getLogger("tests.canaries").warning("first\r\nsecond\x1b[31m")
    assert line(written)["event"] == "first\r\nsecond\x1b[31m"
    assert "\x1b" not in written.getvalue()


def test_the_servers_own_lines_are_ours() -> None:
    from dashboard.ops.server import LOGS

    named = json.loads(LOGS.read_text())["formatters"]["line"]["()"]
    assert named == f"{logs.__name__}.{logs.formatter.__name__}"
