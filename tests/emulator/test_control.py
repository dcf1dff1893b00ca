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

from .conftest import START_MS, Api, NotebookApi


def test_faults_over_http(api: Api) -> None:
    faults = [{"kind": "status", "route": "show", "status": 503, "times": 1}]
    assert api.send("POST", "/_emulator/faults", faults).status == 200
    instance_id = api.id_of("weekend-job")
    assert [api.show(instance_id).status for _ in range(2)] == [503, 200]
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
    instance_id = api.id_of("weekend-job")
    path = f"/_emulator/instances/{instance_id}"
    assert api.send("GET", path).json["status"] == "STOPPED"
    change = {"status": "RUNNING", "stops_in_seconds": 90, "name": "<i>"}
    assert api.send("POST", path, change).json["stops_at_ms"] == START_MS + 90_000
    document = api.show(instance_id).json
    assert (document["name"], document["status"]) == ("<i>", "RUNNING")
    assert len(api.send("GET", "/_emulator/instances").json) == 60


def test_the_log_over_http(api: Api) -> None:
    instance_id = api.id_of("weekend-job")
    api.update(instance_id, {"description": "Größe"})
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
def test_invalid_requests_are_refused(
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
        lines = [process.stdout.readline().decode() for _ in range(15)]
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


def test_a_taken_port_is_reported_in_a_sentence(cloud: Emulator) -> None:
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
    instance_id = api.id_of("weekend-job")
    chunked = {"Transfer-Encoding": "chunked"}
    reply = api.send("PUT", f"{api.base}/{instance_id}", b"0\r\n\r\n", chunked)
    assert reply.status == 411


def test_switches_are_read_and_set(notebooks: NotebookApi) -> None:
    before = notebooks.send("GET", "/_emulator/behavior").json
    assert (before["cloud"], before["served"]) == ("huawei", "notebooks")
    changes = {"cloud": "otc", "starting_seconds": 3, "current_time": False}
    after = notebooks.send("POST", "/_emulator/behavior", changes).json
    assert after == before | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"cloud": "moon"},
        {"current_time": "no"},
        {"starting_seconds": 0},
        {"starting_seconds": True},
        {"nonsense": 1},
        {"cloud": "otc", "renew": None},
    ],
)
def test_invalid_switches_change_nothing(
    notebooks: NotebookApi, changes: dict[str, object]
) -> None:
    before = notebooks.send("GET", "/_emulator/behavior").json
    assert notebooks.send("POST", "/_emulator/behavior", changes).status == 400
    assert notebooks.send("GET", "/_emulator/behavior").json == before


def test_notebooks_are_listed_and_forced(notebooks: NotebookApi) -> None:
    listed = notebooks.send("GET", "/_emulator/notebooks").json
    assert len(listed) == 60
    one = notebooks.id_of("customer-segments")
    path = f"/_emulator/notebooks/{one}"
    forced = notebooks.send(
        "POST",
        path,
        {
            "status": "RUNNING",
            "stops_in_seconds": 90,
            "owner": "li.wei",
            "tags": {"a": "b"},
            "overrides": {"status": "HIBERNATING"},
        },
    ).json
    assert forced["ends_ms"] == START_MS + 90_000
    assert forced == notebooks.send("GET", path).json
    shown = notebooks.show(one).json
    assert (shown["user"]["name"], shown["status"]) == ("li.wei", "HIBERNATING")
    assert shown["tags"] == [{"key": "a", "value": "b"}]


@pytest.mark.parametrize(
    "changes", [{"volume": 1}, {"owner": "nobody"}, {"lease": {"nonsense": 1}}]
)
def test_unknown_fields_of_a_notebook_are_refused(
    notebooks: NotebookApi, changes: dict[str, object]
) -> None:
    path = f"/_emulator/notebooks/{notebooks.id_of('customer-segments')}"
    assert notebooks.send("POST", path, changes).status == 400


def test_the_program_has_half_of_each_generation(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dashboard.emulator", "--fleet", "8"]
    command += ["--cloud", "otc"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in range(13)]
        cloud = yaml.safe_load("".join(lines))["clouds"]["demo"]
        assert cloud["modelarts_max_run_hours"] == 24
        assert cloud["modelarts_no_auto_stop"] is cloud["modelarts_tags"] is False
        port = cloud["auth"]["auth_url"].removesuffix("/v3").rpartition(":")[2]
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        for kind in ("instances", "notebooks"):
            connection.request("GET", f"/_emulator/{kind}")
            assert len(json.loads(connection.getresponse().read())) == 4
        connection.close()
        process.terminate()
        assert process.wait(10) == 0
