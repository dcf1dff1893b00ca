"""The control plane, and the program on the command line."""

import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dashboard.emulator import Emulator

from .conftest import START_MS, Api


def test_faults_over_http(api: Api) -> None:
    faults = [{"kind": "status", "route": "show", "status": 503, "times": 1}]
    assert api.send("POST", "/_emulator/faults", faults).status == 200
    one = api.id_of("weekend-job")
    assert [api.show(one).status for _ in range(2)] == [503, 200]
    (line,) = api.send("GET", "/_emulator/faults").json
    assert (line["matched"], line["struck"]) == (2, 1)
    api.send("DELETE", "/_emulator/faults")
    assert api.send("GET", "/_emulator/faults").json == []


def test_the_clock_over_http(api: Api, cloud: Emulator) -> None:
    reading = api.send("POST", "/_emulator/clock", {"advance": 600, "skew": 60}).json
    assert reading["now_ms"] == START_MS + 660_000
    assert api.send("GET", "/_emulator/clock").json["skew_seconds"] == 60
    api.send("POST", "/_emulator/clock", {"speed": 60})
    assert cloud.clock.speed == 60


def test_the_date_header_is_the_cloud_s(api: Api, cloud: Emulator) -> None:
    assert api.send("GET", "/v3").headers["date"].startswith("Fri, 15 Jan 2027 08:00")
    cloud.clock.advance(3_600)
    assert api.send("GET", "/v3").headers["date"].startswith("Fri, 15 Jan 2027 09:00")


def test_instances_over_http(api: Api) -> None:
    one = api.id_of("weekend-job")
    path = f"/_emulator/instances/{one}"
    assert api.send("GET", path).json["status"] == "STOPPED"
    change = {"status": "RUNNING", "stops_in_seconds": 90, "name": "<i>"}
    assert api.send("POST", path, change).json["stops_at_ms"] == START_MS + 90_000
    shown = api.show(one).json
    assert (shown["name"], shown["status"]) == ("<i>", "RUNNING")
    assert len(api.send("GET", "/_emulator/instances").json) == 60


def test_the_log_over_http(api: Api) -> None:
    one = api.id_of("weekend-job")
    api.update(one, {"description": "Größe"})
    (entry,) = api.send("GET", "/_emulator/log?route=update").json
    assert json.loads(entry["body"]) == {"description": "Größe"}
    assert entry["applied"]["values"]["description"] == "Größe"
    assert entry["applied"]["order"] == 1
    after = api.send("GET", f"/_emulator/log?after={entry['number']}").json
    assert after == []
    everything = api.send("GET", "/_emulator/log").body.decode()
    assert "fake-password" not in everything


def test_tokens_over_http(api: Api) -> None:
    assert api.send("DELETE", "/_emulator/tokens").json == {"revoked": 1}
    assert api.list().status == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/_emulator/nothing", None, 404),
        ("PUT", "/_emulator/faults", None, 404),
        ("POST", "/_emulator/faults", {"kind": "boredom"}, 400),
        ("POST", "/_emulator/faults", b"{", 400),
        ("POST", "/_emulator/clock", {"advance": -1}, 400),
        ("POST", "/_emulator/clock", {"pace": 1}, 400),
        ("GET", "/_emulator/instances/DE-nowhere", None, 400),
        ("POST", "/_emulator/instances/DE-nowhere", {}, 400),
        ("GET", "/_emulator/log?after=noon", None, 400),
    ],
)
def test_nonsense_is_refused(
    api: Api, method: str, path: str, body: object, status: int
) -> None:
    assert api.send(method, path, body).status == status


def test_unknown_fields_of_an_instance_are_refused(api: Api) -> None:
    path = f"/_emulator/instances/{api.id_of('weekend-job')}"
    assert api.send("POST", path, {"colour": "red"}).status == 400
    assert api.send("POST", path, {"auto_stop": {"colour": "red"}}).status == 400


def test_unknown_paths_are_the_gateway_s(api: Api) -> None:
    for method, path in (
        ("GET", "/v2/nothing"),
        ("PATCH", f"{api.base}/DE-1"),
        ("GET", f"{api.base}/"),
    ):
        reply = api.send(method, path)
        assert (reply.status, reply.json["error_code"]) == (404, "APIG.0101")


def test_versions(api: Api, cloud: Emulator) -> None:
    assert api.send("GET", "/").status == 300
    version = api.send("GET", "/v3/").json["version"]
    assert version["id"].startswith("v3")
    assert version["links"][0]["href"] == f"{cloud.url}/v3/"


def test_a_body_over_the_gateway_s_limit(api: Api) -> None:
    reply = api.update(api.id_of("weekend-job"), b"x" * (12 * 1024 * 1024 + 1))
    assert (reply.status, reply.code) == (413, "4104")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program(tmp_path: Path, number: signal.Signals) -> None:
    clouds_file = tmp_path / "clouds.yaml"
    command = [sys.executable, "-m", "dashboard.emulator", "--fleet", "3"]
    command += ["--name", "lab", "--clouds-file", str(clouds_file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # The cloud's last line; nothing is closed yet, so the text had been flushed.
        lines = [process.stdout.readline().decode() for _ in range(10)]
        assert lines[-1] == "    region_name: eu-de\n"
        cloud = yaml.safe_load("".join(lines))["clouds"]["lab"]
        assert clouds_file.read_text(encoding="utf-8") == "".join(lines)
        port = cloud["auth"]["auth_url"].removesuffix("/v3").rpartition(":")[2]
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        connection.request("GET", "/v3")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr.read() == b""


def test_a_taken_port_is_told_in_a_sentence(cloud: Emulator) -> None:
    port = cloud.url.rpartition(":")[2]
    command = [sys.executable, "-m", "dashboard.emulator", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr == f"cannot listen on {cloud.url}: Address already in use\n"


def test_a_clouds_yaml_with_keys(cloud: Emulator) -> None:
    entry = yaml.safe_load(cloud.clouds_yaml("keys", signed=True))["clouds"]["keys"]
    assert entry["ak"] == cloud.service_user.access_key
    assert entry["sk"] == cloud.service_user.secret_key
    assert entry["modelartsv1_endpoint_override"] == cloud.modelarts_url
    assert "password" not in entry["auth"]


def test_chunked_bodies_are_refused(api: Api) -> None:
    one = api.id_of("weekend-job")
    chunked = {"Transfer-Encoding": "chunked"}
    reply = api.send("PUT", f"{api.base}/{one}", b"0\r\n\r\n", chunked)
    assert reply.status == 411
