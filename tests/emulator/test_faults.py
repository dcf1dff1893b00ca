"""Every scripted fault, seen on the wire."""

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

WISH = {"description": "wished"}


def raw_put(cloud: Emulator, api: Api, instance_id: str) -> socket.socket:
    """Send an update over a socket of one's own, and return that socket."""
    host, port = cloud.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    body = json.dumps(WISH).encode()
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
def one(api: Api) -> str:
    """A stopped instance; its description is not what WISH says."""
    return api.id_of("weekend-job")


def description(cloud: Emulator, instance_id: str) -> str:
    return cloud.fleet.get(instance_id).description


@pytest.mark.parametrize("applied", [False, True])
def test_drop(cloud: Emulator, api: Api, one: str, applied: bool) -> None:
    cloud.faults.add(Fault("drop", route="update", applied=applied))
    with raw_put(cloud, api, one) as connection:
        assert connection.recv(1) == b""
    assert (description(cloud, one) == "wished") is applied
    entry = cloud.log.entries(route="update")[-1]
    assert (entry.status, entry.fault) == (None, "drop")
    assert (entry.applied is not None) is applied


@pytest.mark.parametrize("applied", [False, True])
def test_reset(cloud: Emulator, api: Api, one: str, applied: bool) -> None:
    cloud.faults.add(Fault("reset", route="update", applied=applied))
    with raw_put(cloud, api, one) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert (description(cloud, one) == "wished") is applied


def test_hang(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("hang", route="update", applied=True))
    with raw_put(cloud, api, one) as connection:
        assert eventually(lambda: description(cloud, one) == "wished")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_truncate(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("truncate", route="show"))
    with pytest.raises(http.client.IncompleteRead) as caught:
        api.show(one)
    assert caught.value.partial
    assert caught.value.expected


def test_drip(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("drip", route="update", seconds=3_600))
    with raw_put(cloud, api, one) as connection:
        assert connection.recv(100) == b"H"
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(100)


def test_drip_is_complete_in_the_end(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("drip", route="show", seconds=0.00001))
    assert api.show(one).json["id"] == one


def test_latency(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("delay", route="update", latency_seconds=3_600))
    with raw_put(cloud, api, one) as connection:
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert description(cloud, one) != "wished"
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
    one: str,
    fault: Fault,
    status: int,
    kind: str,
    start: bytes,
) -> None:
    cloud.faults.add(fault)
    reply = api.update(one, WISH)
    assert (reply.status, reply.headers["content-type"]) == (status, kind)
    assert reply.body.startswith(start)
    assert description(cloud, one) != "wished"
    if fault.kind == "redirect":
        assert reply.headers["location"] == "https://elsewhere.example.com/"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 429, 500, 502, 504])
@pytest.mark.parametrize("applied", [False, True])
def test_status(
    cloud: Emulator, api: Api, one: str, status: int, applied: bool
) -> None:
    fault = Fault("status", status=status, retry_after="7", applied=applied, times=1)
    cloud.faults.add(fault)
    reply = api.update(one, WISH)
    assert reply.status == status
    assert reply.json["error_code"]
    assert reply.headers["retry-after"] == "7"
    assert (description(cloud, one) == "wished") is applied
    assert api.show(one).status == 200


def test_a_code_of_one_s_own(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("status", status=400, code="ModelArts.6333", message="No"))
    reply = api.update(one, WISH).json
    assert reply == {"error_code": "ModelArts.6333", "error_message": "No"}


def test_iam_can_be_down(cloud: Emulator, api: Api) -> None:
    cloud.faults.add(Fault("status", route="token.issue", status=503))
    reply = api.sign_in()
    assert (reply.status, reply.json["error"]["code"]) == (503, 503)


def test_content_type(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("content_type"))
    reply = api.show(one)
    assert reply.headers["content-type"] == "text/html"
    assert reply.json["id"] == one


def test_big_body(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("big_body", route="show"))
    reply = api.show(one)
    assert len(reply.body) > 10_000_000
    assert reply.json["id"] == one


def test_big_header(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("big_header", route="update"))
    with raw_put(cloud, api, one) as connection:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(100_000)
    assert len(received) > 200_000


def test_gzip_bomb(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("gzip_bomb", route="show", size=20_000_000))
    reply = api.show(one)
    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.body) < 100_000
    decoded = gzip.decompress(reply.body)
    assert len(decoded) > 20_000_000
    assert json.loads(decoded)["id"] == one


def test_deep_nesting(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("deep_nesting", route="show"))
    body = api.show(one).body
    assert b"[" * 10_000 in body
    assert body.count(b"[") == body.count(b"]")


def test_wrong_types(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("wrong_types"))
    document = api.show(one).json
    assert document["name"] == 4711
    assert document["spec"]["auto_stop"]["duration"] == "long"
    assert document["id"] == one


def test_unknown_enum(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("unknown_enum"))
    assert api.show(one).json["status"] == "HIBERNATING"


def test_missing_fields(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("missing_fields", fields=("spec", "status")))
    assert not {"spec", "status"} & api.show(one).json.keys()


def test_nan(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("nan"))
    assert math.isnan(api.show(one).json["spec"]["auto_stop"]["duration"])


def test_one_element_of_a_list_can_be_spoiled(
    cloud: Emulator, api: Api, one: str
) -> None:
    patch = {"name": "<script>", "spec": None}
    cloud.faults.add(Fault("patch", instance_id=one, patch=patch))
    listed = {i["id"]: i for i in api.list().json["instances"]}
    assert listed[one]["name"] == "<script>"
    assert listed[one]["spec"] is None
    assert sum(i["spec"] is None for i in listed.values()) == 1


def test_a_total_that_lies(cloud: Emulator, api: Api) -> None:
    cloud.faults.add(Fault("total_wrong"))
    assert api.list().json["total_count"] == 67


def test_duplicates_across_pages(cloud: Emulator, api: Api) -> None:
    cloud.faults.add(Fault("duplicates"))
    query = "de_type=Notebook&show_self=false&limit=20&offset="
    first, second = (api.list(f"{query}{n}").json["instances"] for n in (0, 20))
    assert second[0]["id"] == first[-1]["id"]


@pytest.mark.parametrize("hang", [False, True])
def test_late(cloud: Emulator, api: Api, one: str, hang: bool) -> None:
    cloud.faults.add(Fault("late", route="update", seconds=0.2, hang=hang))
    with raw_put(cloud, api, one) as connection:
        if not hang:
            assert connection.recv(13) == b"HTTP/1.1 504 "
        assert eventually(lambda: description(cloud, one) == "wished")
    assert eventually(lambda: len(cloud.log.entries(route="update")) == 2)
    asked, effect = cloud.log.entries(route="update")
    assert (asked.applied, effect.late_for) == (None, asked.number)
    assert effect.applied is not None
    assert effect.applied.values["description"] == "wished"


@pytest.mark.parametrize("echo", [False, True])
def test_accepted_but_not_changed(
    cloud: Emulator, api: Api, one: str, echo: bool
) -> None:
    cloud.faults.add(Fault("not_changed", echo=echo))
    reply = api.update(one, WISH)
    assert reply.status == 200
    assert (reply.json["description"] == "wished") is echo
    assert description(cloud, one) != "wished"
    assert cloud.log.entries(route="update")[-1].applied is None
    assert api.act(one, "start").json["current_status"] == "STARTING"
    assert cloud.fleet.get(one).status == "STOPPED"


# Which requests are struck


def test_the_nth_and_so_many_times(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("status", route="show", nth=2))
    assert [api.show(one).status for _ in range(4)] == [200, 500, 200, 200]
    cloud.faults.clear()
    cloud.faults.add(Fault("status", route="show", times=2))
    assert [api.show(one).status for _ in range(3)] == [500, 500, 200]


def test_by_method_and_instance(cloud: Emulator, api: Api, one: str) -> None:
    cloud.faults.add(Fault("status", method="PUT", instance_id=one))
    other = api.id_of("going-home")
    assert api.update(one, WISH).status == 500
    assert api.update(other, WISH).status == 200
    assert api.show(one).status == 200


def test_chances_repeat_with_the_seed() -> None:
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
    """A fault that spoils instances finds none in an error."""
    for kind in sorted(KINDS - {"drop", "reset", "hang", "drip", "truncate"}):
        cloud.faults.clear()
        cloud.faults.add(Fault(kind, seconds=0.01, size=1_000))
        reply: Reply = api.show("DE-nowhere")
        assert reply.status >= 200


def test_a_stopped_cloud_refuses_and_comes_back(
    cloud: Emulator, api: Api, one: str
) -> None:
    host, port = cloud.url.removeprefix("http://").split(":")
    kept = http.client.HTTPConnection(host, int(port), timeout=10)

    def ask(connection: http.client.HTTPConnection) -> bytes:
        connection.request("GET", "/v3")
        return connection.getresponse().read()

    assert ask(kept)
    cloud.stop()
    with pytest.raises(ConnectionError):
        api.show(one)
    with pytest.raises(ConnectionError):
        ask(kept)
    kept.close()
    cloud.start()
    assert cloud.url.endswith(port)
    assert api.show(one).status == 200


def test_many_at_once_are_counted_once_each(
    cloud: Emulator, api: Api, one: str
) -> None:
    def write(number: int) -> None:
        assert api.update(one, {"description": f"number {number}"}).status == 200

    threads = [threading.Thread(target=write, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    applied = [e.applied for e in cloud.log.entries(route="update") if e.applied]
    assert sorted(a.order for a in applied) == list(range(1, 41))
    last = max(applied, key=lambda a: a.order)
    assert last.values["description"] == description(cloud, one)
