"""Every scripted fault, as a client receives it."""

import gzip
import http.client
import json
import math
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from dashboard.emulator import Emulator, Fault, FaultScript
from dashboard.emulator.faults import KINDS

from .conftest import Api, Reply

CHANGE = {"description": "requested"}


def raw_put(cloud: Emulator, api: Api, instance_id: str) -> socket.socket:
    """Send an update over a new socket, and return the socket."""
    host, port = cloud.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    body = json.dumps(CHANGE).encode()
    head = (
        f"PUT {api.base}/{instance_id} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"X-Auth-Token: {api.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture
def instance_id(api: Api) -> str:
    """A stopped instance; its description differs from that in CHANGE."""
    return api.id_of("weekend-job")


def description(cloud: Emulator, instance_id: str) -> str:
    return cloud.fleet.get(instance_id).description


@pytest.mark.parametrize("applied", [False, True])
def test_drop(cloud: Emulator, api: Api, instance_id: str, applied: bool) -> None:
    cloud.faults.add(Fault("drop", route="update", applied=applied))
    with raw_put(cloud, api, instance_id) as connection:
        assert connection.recv(1) == b""
    assert (description(cloud, instance_id) == "requested") is applied
    entry = cloud.log.entries(route="update")[-1]
    assert (entry.status, entry.fault) == (None, "drop")
    assert (entry.applied is not None) is applied


@pytest.mark.parametrize("applied", [False, True])
def test_reset(cloud: Emulator, api: Api, instance_id: str, applied: bool) -> None:
    cloud.faults.add(Fault("reset", route="update", applied=applied))
    with (
        raw_put(cloud, api, instance_id) as connection,
        pytest.raises(ConnectionResetError),
    ):
        connection.recv(1)
    assert (description(cloud, instance_id) == "requested") is applied


def test_hang(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("hang", route="update", applied=True))
    with raw_put(cloud, api, instance_id) as connection:
        assert eventually(lambda: description(cloud, instance_id) == "requested")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_truncate(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("truncate", route="show"))
    with pytest.raises(http.client.IncompleteRead) as caught:
        api.show(instance_id)
    assert caught.value.partial
    assert caught.value.expected


def test_drip(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("drip", route="update", seconds=3_600))
    with raw_put(cloud, api, instance_id) as connection:
        assert connection.recv(100) == b"H"
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(100)


def test_drip_is_complete_in_the_end(
    cloud: Emulator, api: Api, instance_id: str
) -> None:
    cloud.faults.add(Fault("drip", route="show", seconds=0.00001))
    assert api.show(instance_id).json["id"] == instance_id


def test_latency(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("delay", route="update", latency_seconds=3_600))
    with raw_put(cloud, api, instance_id) as connection:
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert description(cloud, instance_id) != "requested"
        # Stopping the server ends every wait.
        cloud.stop()


REPLACEMENTS = [
    (Fault("empty"), 200, "application/json", b""),
    (Fault("html"), 200, "text/html", b"<html>"),
    (Fault("raw", body="\x00[1e400", status=203), 203, "application/json", b"\x00["),
    (Fault("redirect"), 307, "application/json", b""),
]


@pytest.mark.parametrize(("fault", "status", "kind", "start"), REPLACEMENTS)
def test_replaced_answers(
    cloud: Emulator,
    api: Api,
    instance_id: str,
    fault: Fault,
    status: int,
    kind: str,
    start: bytes,
) -> None:
    cloud.faults.add(fault)
    reply = api.update(instance_id, CHANGE)
    assert (reply.status, reply.headers["content-type"]) == (status, kind)
    assert reply.body.startswith(start)
    assert description(cloud, instance_id) != "requested"
    if fault.kind == "redirect":
        assert reply.headers["location"] == "https://elsewhere.example.com/"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 429, 500, 502, 504])
@pytest.mark.parametrize("applied", [False, True])
def test_status(
    cloud: Emulator, api: Api, instance_id: str, status: int, applied: bool
) -> None:
    fault = Fault("status", status=status, retry_after="7", applied=applied, times=1)
    cloud.faults.add(fault)
    reply = api.update(instance_id, CHANGE)
    assert reply.status == status
    assert reply.json["error_code"]
    assert reply.headers["retry-after"] == "7"
    assert (description(cloud, instance_id) == "requested") is applied
    assert api.show(instance_id).status == 200


def test_a_custom_error_code(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("status", status=400, code="ModelArts.6333", message="No"))
    reply = api.update(instance_id, CHANGE).json
    assert reply == {"error_code": "ModelArts.6333", "error_message": "No"}


def test_iam_can_be_down(cloud: Emulator, api: Api) -> None:
    cloud.faults.add(Fault("status", route="token.issue", status=503))
    reply = api.sign_in()
    assert (reply.status, reply.json["error"]["code"]) == (503, 503)


def test_content_type(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("content_type"))
    reply = api.show(instance_id)
    assert reply.headers["content-type"] == "text/html"
    assert reply.json["id"] == instance_id


def test_big_body(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("big_body", route="show"))
    reply = api.show(instance_id)
    assert len(reply.body) > 10_000_000
    assert reply.json["id"] == instance_id


def test_big_header(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("big_header", route="update"))
    with raw_put(cloud, api, instance_id) as connection:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(100_000)
    assert len(received) > 200_000


def test_gzip_bomb(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("gzip_bomb", route="show", size=20_000_000))
    reply = api.show(instance_id)
    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.body) < 100_000
    decoded = gzip.decompress(reply.body)
    assert len(decoded) > 20_000_000
    assert json.loads(decoded)["id"] == instance_id


def test_deep_nesting(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("deep_nesting", route="show"))
    body = api.show(instance_id).body
    assert b"[" * 10_000 in body
    assert body.count(b"[") == body.count(b"]")


def test_wrong_types(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("wrong_types"))
    document = api.show(instance_id).json
    assert document["name"] == 4711
    assert document["spec"]["auto_stop"]["duration"] == "long"
    assert document["id"] == instance_id


def test_unknown_enum(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("unknown_enum"))
    assert api.show(instance_id).json["status"] == "HIBERNATING"


def test_missing_fields(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("missing_fields", fields=("spec", "status")))
    assert not {"spec", "status"} & api.show(instance_id).json.keys()


def test_nan(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("nan"))
    assert math.isnan(api.show(instance_id).json["spec"]["auto_stop"]["duration"])


def test_one_element_of_a_list_can_be_spoiled(
    cloud: Emulator, api: Api, instance_id: str
) -> None:
    patch = {"name": "<script>", "spec": None}
    cloud.faults.add(Fault("patch", instance_id=instance_id, patch=patch))
    listed = {i["id"]: i for i in api.list().json["instances"]}
    assert listed[instance_id]["name"] == "<script>"
    assert listed[instance_id]["spec"] is None
    assert sum(i["spec"] is None for i in listed.values()) == 1


def test_a_wrong_total(cloud: Emulator, api: Api) -> None:
    cloud.faults.add(Fault("total_wrong"))
    assert api.list().json["total_count"] == 67


def test_duplicates_across_pages(cloud: Emulator, api: Api) -> None:
    cloud.faults.add(Fault("duplicates"))
    query = "de_type=Notebook&show_self=false&limit=20&offset="
    first, second = (api.list(f"{query}{n}").json["instances"] for n in (0, 20))
    assert second[0]["id"] == first[-1]["id"]


@pytest.mark.parametrize("hang", [False, True])
def test_late(cloud: Emulator, api: Api, instance_id: str, hang: bool) -> None:
    cloud.faults.add(Fault("late", route="update", seconds=0.2, hang=hang))
    with raw_put(cloud, api, instance_id) as connection:
        if not hang:
            assert connection.recv(13) == b"HTTP/1.1 504 "
        assert eventually(lambda: description(cloud, instance_id) == "requested")
    assert eventually(lambda: len(cloud.log.entries(route="update")) == 2)
    entry, effect = cloud.log.entries(route="update")
    assert (entry.applied, effect.late_for) == (None, entry.number)
    assert effect.applied is not None
    assert effect.applied.values["description"] == "requested"


@pytest.mark.parametrize("echo", [False, True])
def test_accepted_but_not_changed(
    cloud: Emulator, api: Api, instance_id: str, echo: bool
) -> None:
    cloud.faults.add(Fault("not_changed", echo=echo))
    reply = api.update(instance_id, CHANGE)
    assert reply.status == 200
    assert (reply.json["description"] == "requested") is echo
    assert description(cloud, instance_id) != "requested"
    assert cloud.log.entries(route="update")[-1].applied is None
    assert api.act(instance_id, "start").json["current_status"] == "STARTING"
    assert cloud.fleet.get(instance_id).status == "STOPPED"


# Which requests are struck


def test_the_nth_and_so_many_times(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("status", route="show", nth=2))
    assert [api.show(instance_id).status for _ in range(4)] == [200, 500, 200, 200]
    cloud.faults.clear()
    cloud.faults.add(Fault("status", route="show", times=2))
    assert [api.show(instance_id).status for _ in range(3)] == [500, 500, 200]


def test_by_method_and_instance(cloud: Emulator, api: Api, instance_id: str) -> None:
    cloud.faults.add(Fault("status", method="PUT", instance_id=instance_id))
    other = api.id_of("going-home")
    assert api.update(instance_id, CHANGE).status == 500
    assert api.update(other, CHANGE).status == 200
    assert api.show(instance_id).status == 200


def test_probabilities_repeat_with_the_seed() -> None:
    def struck(seed: int) -> list[bool]:
        script = FaultScript(seed)
        script.add(Fault("drop", probability=0.3))
        return [script.pick("GET", "list", None) is not None for _ in range(300)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 50 < sum(struck(1)) < 130


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "boredom"},
        {"kind": "drop", "whom": "me"},
        {"kind": "delay", "latency_seconds": "long"},
    ],
)
def test_a_misspelt_fault_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"kind|unknown|number"):
        Fault.from_document(document)


def test_faults_leave_refusals_alone(cloud: Emulator, api: Api) -> None:
    """A fault of documents does not change an error."""
    for kind in sorted(KINDS - {"drop", "reset", "hang", "drip", "truncate"}):
        cloud.faults.clear()
        cloud.faults.add(Fault(kind, seconds=0.01, size=1_000))
        reply: Reply = api.show("DE-nowhere")
        assert reply.status >= 200


def test_a_stopped_cloud_refuses_and_comes_back(
    cloud: Emulator, api: Api, instance_id: str
) -> None:
    host, port = cloud.url.removeprefix("http://").split(":")
    kept = http.client.HTTPConnection(host, int(port), timeout=10)

    def ask(connection: http.client.HTTPConnection) -> bytes:
        connection.request("GET", "/v3")
        return connection.getresponse().read()

    assert ask(kept)
    cloud.stop()
    with pytest.raises(ConnectionError):
        api.show(instance_id)
    with pytest.raises(ConnectionError):
        ask(kept)
    kept.close()
    cloud.start()
    assert cloud.url.endswith(port)
    assert api.show(instance_id).status == 200


def test_many_at_once_are_counted_once_each(
    cloud: Emulator, api: Api, instance_id: str
) -> None:
    def write(number: int) -> None:
        assert (
            api.update(instance_id, {"description": f"number {number}"}).status == 200
        )

    threads = [threading.Thread(target=write, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    applied = [e.applied for e in cloud.log.entries(route="update") if e.applied]
    assert sorted(a.order for a in applied) == list(range(1, 41))
    last = max(applied, key=lambda a: a.order)
    assert last.values["description"] == description(cloud, instance_id)
