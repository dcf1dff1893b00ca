"""Leases of notebooks: their arithmetic is that of the samples."""

import json
from pathlib import Path
from typing import Any

import pytest

from dashboard.emulator import Behavior, Emulator
from dashboard.emulator.notebooks.lease import HOUR_MS, Lease

from .conftest import START_MS, STILL, NotebookApi

DOCUMENTS = Path(__file__).parent.parent / "contract" / "documents"
#: The samples that were taken from a service, and not made up.
EXACT = (
    "notebooks-walkthrough-3-show-response",
    "notebooks-walkthrough-5-renew-response",
    "notebooks-walkthrough-6-stop-response",
    "notebooks-walkthrough-7-start-response",
    "notebooks-2024-stop-response",
    "notebooks-2024-start-response",
)


def sample(name: str) -> Any:
    document = json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))
    return document.get("lease", document)


@pytest.mark.parametrize("name", EXACT)
def test_a_lease_of_an_hour_is_answered_as_in_the_samples(name: str) -> None:
    printed = sample(name)
    lease = Lease(printed["create_at"], printed["update_at"], HOUR_MS)
    assert lease.document(0) | printed == lease.document(0)


def test_the_lease_of_the_live_service_leaves_as_much_time_as_it_did() -> None:
    live = sample("notebooks-2026/live-lease-2026-07")
    derived, shown = live["derived"], live["show_lease"]
    lease = Lease(shown["create_at"], derived["renewed_at_if_1h_asked"], HOUR_MS)
    assert lease.document(0)["duration"] == shown["duration"]
    now_ms = live["show_notebook"]["current_time"]
    ends_ms = lease.ends_ms(0)
    assert ends_ms is not None
    assert ends_ms - now_ms == derived["remaining_ms"]


def test_a_notebook_lives_the_life_of_the_walkthrough() -> None:
    """Create, run, renew twice, stop and start: at the moments of the samples."""
    moments = {n: sample(EXACT[i])["update_at"] for i, n in enumerate((3, 5, 6, 7))}
    create_at = 1_687_656_452_472
    behavior = Behavior(creating_seconds=(moments[3] - create_at) / 1000)
    with Emulator(
        fleet=1, notebooks=1, speed=STILL, start_ms=create_at, behavior=behavior
    ) as cloud:
        api = NotebookApi(cloud)
        api.sign_in()

        def wait_until(moment_ms: int) -> None:
            cloud.clock.advance((moment_ms - cloud.clock.now_ms()) / 1000)

        created = api.create().json
        assert (created["create_at"], created["status"]) == (create_at, "INIT")
        first = sample("notebooks-walkthrough-2-create-response")
        assert created["lease"] == first
        wait_until(moments[3])
        assert api.show(created["id"]).json["lease"] == sample(EXACT[0])
        wait_until(moments[5])
        renewed = api.renew(
            created["id"], sample("notebooks-walkthrough-4-renew-request")
        )
        assert renewed.json == sample(EXACT[1])
        assert api.lease(created["id"]).json == sample(EXACT[1])
        wait_until(moments[6])
        api.renew(created["id"])
        stopping = api.stop(created["id"]).json
        assert (stopping["status"], stopping["lease"]) == ("STOPPING", sample(EXACT[2]))
        wait_until(moments[7])
        starting = api.start(created["id"]).json
        assert (starting["status"], starting["lease"]) == ("STARTING", sample(EXACT[3]))


def end_in_seconds(api: NotebookApi, notebook_id: str) -> float:
    """Return how long the lease leaves, by the documents' formula."""
    lease = api.lease(notebook_id).json
    left_ms = lease["create_at"] + lease["duration"] - api.cloud.clock.now_ms()
    return float(left_ms) / 1000


def test_a_run_ends_when_its_lease_does(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("defect-detector-v5")
    assert end_in_seconds(notebooks, one) == 240
    notebooks.cloud.clock.advance(239)
    assert notebooks.show(one).json["status"] == "RUNNING"
    notebooks.cloud.clock.advance(1)
    assert notebooks.show(one).json["status"] == "STOPPING"
    notebooks.cloud.clock.advance(10)
    assert notebooks.show(one).json["status"] == "STOPPED"


def test_a_renewal_counts_from_now_and_at_once(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("defect-detector-v5")
    reply = notebooks.renew(one, {"duration": 2 * HOUR_MS, "type": "timing"})
    assert reply.status == 200
    assert reply.json["update_at"] == START_MS
    assert end_in_seconds(notebooks, one) == 7_200
    notebooks.cloud.clock.advance(7_199)
    assert notebooks.show(one).json["status"] == "RUNNING"
    notebooks.cloud.clock.advance(1)
    assert notebooks.show(one).json["status"] == "STOPPING"


def test_a_renewal_may_shorten_the_run(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("weekend-sweep")
    notebooks.renew(one, {"duration": HOUR_MS})
    assert end_in_seconds(notebooks, one) == 3_600


def test_a_duration_in_the_query_replaces_the_body(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("interactive-lab")
    body = {"duration": 5 * HOUR_MS, "type": "idle"}
    lease = notebooks.renew(one, body, f"?duration={3 * HOUR_MS}").json
    assert lease["type"] == "TIMING"
    assert end_in_seconds(notebooks, one) == 3 * 3_600


def test_a_start_takes_duration_and_type_from_the_query(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("customer-segments")
    reply = notebooks.start(one, f"?duration={2 * HOUR_MS}&type=timing")
    assert reply.json["lease"]["update_at"] == START_MS
    notebooks.cloud.clock.advance(8)
    lease = notebooks.show(one).json["lease"]
    # Counted again when it runs.
    assert lease["update_at"] == START_MS + 8_000
    assert end_in_seconds(notebooks, one) == 7_200


def test_a_start_without_duration_takes_an_hour(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("customer-segments")
    notebooks.start(one)
    notebooks.cloud.clock.advance(8)
    assert end_in_seconds(notebooks, one) == 3_600


def test_minus_one_starts_without_auto_stop(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("customer-segments")
    assert notebooks.start(one, "?duration=-1").status == 200
    notebooks.cloud.clock.advance(10 * 86_400)
    shown = notebooks.show(one).json
    assert (shown["status"], shown["lease"]["enable"]) == ("RUNNING", False)
    assert shown["lease"]["duration"] == -1
    # A renewal switches it on again.
    assert notebooks.renew(one, {"duration": HOUR_MS}).json["enable"] is True
    assert end_in_seconds(notebooks, one) == 3_600


def test_an_idle_notebook_stops_after_the_period_of_its_idle_lease(
    notebooks: NotebookApi,
) -> None:
    one = notebooks.id_of("interactive-lab")
    assert end_in_seconds(notebooks, one) == 35 * 60
    notebooks.cloud.clock.advance(35 * 60)
    assert notebooks.show(one).json["status"] == "STOPPING"


def test_heartbeats_extend_an_idle_lease_and_do_not_touch_update_at(
    notebooks: NotebookApi,
) -> None:
    one = notebooks.id_of("interactive-lab")
    before = notebooks.lease(one).json
    notebooks.cloud.notebooks.force(one, busy=True)
    for _ in range(10):
        notebooks.cloud.clock.advance(HOUR_MS / 1000)
        assert 3_300 <= end_in_seconds(notebooks, one) <= 3_600
    after = notebooks.lease(one).json
    assert after["update_at"] == before["update_at"]
    assert after["duration"] > before["duration"]
    notebooks.cloud.notebooks.force(one, busy=False)
    left = end_in_seconds(notebooks, one)
    notebooks.cloud.clock.advance(left - 1)
    assert notebooks.show(one).json["status"] == "RUNNING"
    notebooks.cloud.clock.advance(1)
    assert notebooks.show(one).json["status"] == "STOPPING"


def test_a_lease_can_be_switched_to_idle_and_back(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("defect-detector-v5")
    notebooks.cloud.notebooks.force(one, busy=True)
    idle = notebooks.renew(one, {"duration": HOUR_MS, "type": "idle"}).json
    assert idle["type"] == "IDLE"
    notebooks.cloud.clock.advance(86_400)
    assert notebooks.show(one).json["status"] == "RUNNING"
    timing = notebooks.renew(one, {"duration": HOUR_MS}).json
    assert timing["type"] == "TIMING"
    notebooks.cloud.clock.advance(3_600)
    assert notebooks.show(one).json["status"] == "STOPPING"


def test_saving_an_image_does_not_end_the_run(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("image-with-drivers")
    ends_ms = notebooks.cloud.notebooks.get(one).ends_ms(START_MS, Behavior())
    assert notebooks.lease(one).code == "6327"
    notebooks.cloud.clock.advance(6 * 60)
    assert notebooks.show(one).json["status"] == "RUNNING"
    lease = notebooks.lease(one).json
    assert lease["create_at"] + lease["duration"] == ends_ms == START_MS + 18_000_000


@pytest.mark.parametrize("name", ["customer-segments", "morning-start", "arrears"])
def test_only_a_running_notebook_has_a_lease(notebooks: NotebookApi, name: str) -> None:
    one = notebooks.id_of(name)
    assert (notebooks.lease(one).status, notebooks.lease(one).code) == (400, "6327")
    assert notebooks.renew(one, {"duration": HOUR_MS}).code == "6327"


@pytest.mark.parametrize(("cloud_kind", "longest_hours"), [("huawei", 72), ("otc", 24)])
def test_the_range_of_a_lease_is_the_edition_s(
    notebooks: NotebookApi, cloud_kind: str, longest_hours: int
) -> None:
    notebooks.behave(cloud=cloud_kind)
    one = notebooks.id_of("defect-detector-v5")
    for duration_ms in (HOUR_MS, longest_hours * HOUR_MS):
        assert notebooks.renew(one, {"duration": duration_ms}).status == 200
    for duration_ms in (HOUR_MS - 1, longest_hours * HOUR_MS + 1, -1, 0):
        refused = notebooks.renew(one, {"duration": duration_ms})
        assert (refused.status, refused.code) == (400, "6349")
        assert str(HOUR_MS) in refused.json["error_msg"]


def test_otc_has_no_run_without_end(notebooks: NotebookApi) -> None:
    notebooks.behave(cloud="otc")
    one = notebooks.id_of("customer-segments")
    assert notebooks.start(one, "?duration=-1").code == "6349"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"duration": "3600000"}, "6332"),
        ({"duration": 3_600_000.0}, "6332"),
        ({"duration": HOUR_MS, "type": "sometimes"}, "6336"),
        ([HOUR_MS], "6400"),
    ],
)
def test_renewals_that_make_no_sense(
    notebooks: NotebookApi, body: Any, code: str
) -> None:
    refused = notebooks.renew(notebooks.id_of("defect-detector-v5"), body)
    assert (refused.status, refused.code) == (400, code)


def test_a_caller_without_the_permission_cannot_renew(notebooks: NotebookApi) -> None:
    notebooks.behave(renew="refuse")
    one = notebooks.id_of("defect-detector-v5")
    before = notebooks.lease(one).json
    refused = notebooks.renew(one, {"duration": HOUR_MS})
    assert refused.status == 403
    assert "modelarts:notebook:updateStopPolicy" in refused.json["error_msg"]
    assert notebooks.lease(one).json == before


def test_a_renewal_may_be_answered_with_nothing(notebooks: NotebookApi) -> None:
    notebooks.behave(renew_answer="nothing")
    one = notebooks.id_of("defect-detector-v5")
    reply = notebooks.renew(one, {"duration": HOUR_MS})
    assert (reply.status, reply.body) == (204, b"")
    assert end_in_seconds(notebooks, one) == 3_600


def test_a_slow_cloud_stops_a_run_after_its_end(notebooks: NotebookApi) -> None:
    one = notebooks.id_of("defect-detector-v5")
    notebooks.cloud.notebooks.force(one, stops_in_seconds=10, late_seconds=3_600)
    assert end_in_seconds(notebooks, one) == 10
    notebooks.cloud.clock.advance(3_609)
    assert notebooks.show(one).json["status"] == "RUNNING"
    notebooks.cloud.clock.advance(1)
    assert notebooks.show(one).json["status"] == "STOPPING"
