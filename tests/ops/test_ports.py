"""Ports for processes that are about to be started."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.ops.ports import LOOPBACK, free_port

GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_it_can_be_listened_on() -> None:
    with socket.create_server((LOOPBACK, free_port())) as server:
        assert server.getsockname()[0] == LOOPBACK


def test_a_used_one_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        used, free = server.getsockname()[1], free_port()
        monkeypatch.setattr("random.SystemRandom.sample", lambda *_: [used, free])
        assert free_port() == free


def test_one_that_another_process_was_given_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = "from dashboard.ops import ports; print(ports.free_port()); input()"
    with subprocess.Popen(
        [sys.executable, "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        theirs, free = int(other.stdout.readline()), free_port()
        monkeypatch.setattr("random.SystemRandom.sample", lambda *_: [theirs, free])
        assert free_port() == free
        other.communicate("\n")
    monkeypatch.setattr("random.SystemRandom.sample", lambda *_: [theirs])
    assert free_port() == theirs


def test_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        used = server.getsockname()[1]
        monkeypatch.setattr("random.SystemRandom.sample", lambda *_: [used])
        with pytest.raises(OSError, match="No free TCP port"):
            free_port()


@pytest.mark.skipif(not GIVEN_OUT.exists(), reason="Only Linux tells its range.")
def test_no_connection_is_given_it_in_between() -> None:
    assert free_port() < int(GIVEN_OUT.read_text().split()[0])
