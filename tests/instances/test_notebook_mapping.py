"""Documents of notebooks as rows: every sample, and what their leases tell."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard.instances import countdown, mapping
from dashboard.instances.models import Instance
from dashboard.modelarts.notebook_schemas import Notebook

DOCUMENTS = Path(__file__).parent.parent / "contract" / "documents"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1_000)
HOUR_MS = 3_600_000
SECRETS = ("token", "uri", "ip", "dew_secret_name", "allowed_access_ips")


def sampled() -> Iterator[Any]:
    """Each notebook of the samples, by the name of its file."""
    for path in sorted(DOCUMENTS.rglob("*notebook*.json")):
        sample = json.loads(path.read_text())
        records = sample.get("data", [sample])
        for record in records if isinstance(records, list) else []:
            if {"id", "lease"} <= record.keys():
                yield pytest.param(record, id=path.stem)


def document(**members: Any) -> dict[str, Any]:
    """A notebook that was created a day ago and runs until 13:00."""
    created_ms = NOW_MS - 24 * HOUR_MS
    lease = {
        "create_at": created_ms,
        "duration": 25 * HOUR_MS,
        "enable": True,
        "type": "TIMING",
        "update_at": NOW_MS,
    } | members.pop("lease", {})
    user = {"id": "a" * 32, "name": "anna"}
    return {
        "id": "00000000-0000-4000-8000-000000000001",
        "name": "lab",
        "status": "RUNNING",
        "lease": lease,
        "user": user,
    } | members


def columns(
    members: dict[str, Any], known: Instance | None = None, skew_ms: int = 0
) -> dict[str, Any]:
    wire = Notebook.model_validate(members)
    return mapping.columns(wire, skew_ms=skew_ms, known=known, now=NOW)


def row(**members: Any) -> Instance:
    return Instance(
        first_seen_at=NOW - timedelta(days=1), **columns(document(**members))
    )


@pytest.mark.parametrize("record", list(sampled()))
def test_every_sample_becomes_a_row(record: dict[str, Any]) -> None:
    values = columns(record)
    lease = record["lease"]
    assert (values["generation"], values["problems"]) == ("notebooks", [])
    assert values["status"] == record["status"]
    assert values["auto_stop_duration"] is None
    assert values["lease_updated_ms"] == lease["update_at"]
    is_running = record["status"] == "RUNNING"
    end_ms = lease["create_at"] + lease["duration"] if is_running else None
    assert values["stop_timestamp_ms"] == end_ms
    assert values["stops_at"] == mapping.moment(end_ms)
    stored = json.dumps(values["document"])
    assert not [name for name in SECRETS if f'"{name}"' in stored]
    assert record.get("token", "none") not in stored


def test_there_are_samples() -> None:
    assert len(list(sampled())) > 10


def test_the_end_of_a_run_is_by_our_clock() -> None:
    values = columns(document(), skew_ms=60_000)
    assert values["stop_timestamp_ms"] == NOW_MS + HOUR_MS
    assert values["stops_at"] == NOW + timedelta(minutes=59)


def test_an_idle_lease_has_no_end() -> None:
    idle = {"type": "IDLE"}
    values = columns(document(lease=idle), skew_ms=60_000)
    assert (values["stops_at"], values["stop_timestamp_ms"]) == (None, None)
    assert (values["lease_type"], values["idle_seconds"]) == ("idle", 3_600)
    assert values["idle_stop_at"] == NOW + timedelta(minutes=59)
    assert countdown.this_run(row(lease=idle), NOW).state == countdown.State.IDLE


def test_without_auto_stop_there_is_no_end() -> None:
    values = columns(document(lease={"enable": False}))
    assert (values["auto_stop_enable"], values["stops_at"]) == (False, None)


@pytest.mark.parametrize("lacking", ["lease", "status"])
def test_a_partial_answer_keeps_what_is_known(lacking: str) -> None:
    known = row()
    members = document(description="New", tags=[])
    del members[lacking], members["user"]
    values = columns(members, known)
    assert values["description"] == "New"
    assert (values["status"], values["stops_at"]) == ("RUNNING", known.stops_at)
    assert values["lease_updated_ms"] == known.lease_updated_ms
    assert (values["owner_id"], values["owner_name"]) == ("a" * 32, "anna")


def test_a_partial_answer_keeps_no_failure() -> None:
    known = row(fail_reason="No capacity", action_progress=[{"step": 1}])
    members = document()
    del members["lease"]
    stored = columns(members, known)["document"]
    assert not {"fail_reason", "action_progress"} & stored.keys()


@pytest.mark.parametrize(
    ("members", "owner"),
    [
        ({}, ("a" * 32, "anna")),
        ({"user_id": "a" * 32}, ("a" * 32, "anna")),
        ({"user_id": "b" * 32}, ("b" * 32, "")),
        ({"user": {"id": "b" * 32, "name": "bo"}}, ("b" * 32, "bo")),
    ],
)
def test_a_listing_may_lack_the_owner(
    members: dict[str, Any], owner: tuple[str, str]
) -> None:
    known = row()
    listed = document()
    del listed["user"]
    values = columns(listed | members, known)
    assert (values["owner_id"], values["owner_name"]) == owner


@pytest.mark.parametrize(
    ("members", "tags"),
    [
        ({}, {"team": "a"}),
        ({"tags": []}, {}),
        ({"tags": [{"key": "gpu", "value": None}]}, {"gpu": ""}),
    ],
)
def test_an_answer_without_tags_leaves_those_known(
    members: dict[str, Any], tags: dict[str, str]
) -> None:
    known = row(tags=[{"key": "team", "value": "a"}])
    assert columns(document(**members), known)["tags"] == tags


def test_the_cloud_s_time_is_no_change() -> None:
    first, later = document(current_time=NOW_MS), document(current_time=NOW_MS + 9)
    assert columns(first)["content_hash"] == columns(later)["content_hash"]


def test_a_lease_that_ended_before_this_run_is_not_believed() -> None:
    """The service has not yet renewed the lease of the last run."""
    known = row(status="STOPPED")
    known.status_since = NOW - timedelta(minutes=10)
    stale = {"duration": 24 * HOUR_MS - 1_200_000}
    values = columns(document(lease=stale), known)
    assert values["stops_at"] is None
    assert values["problems"] == ["lease.duration"]


def started(
    after: Instance, before: Instance | None, now: datetime = NOW
) -> datetime | None:
    mapping.set_run_start(after, before=before, skew_ms=0, now=now)
    return after.run_started_at


class TestTheStartOfARun:
    def renewed(self, minutes: int) -> Instance:
        """Renewed after so many minutes, for three hours."""
        update_ms = NOW_MS + minutes * 60_000
        created_ms = NOW_MS - 24 * HOUR_MS
        lease = {
            "update_at": update_ms,
            "duration": update_ms + 3 * HOUR_MS - created_ms,
        }
        return row(lease=lease)

    @pytest.fixture
    def before(self) -> Instance:
        """Runs for an hour now, and until 13:00."""
        before = row()
        before.run_started_at = NOW - timedelta(hours=1)
        return before

    @pytest.mark.parametrize("minutes", [30, 59, 64])
    def test_a_lease_that_was_renewed_is_the_same_run(
        self, before: Instance, minutes: int
    ) -> None:
        after = self.renewed(minutes)
        assert started(after, before) == before.run_started_at
        assert not mapping.is_new_run(before, after)

    def test_nor_is_a_moved_end_a_stop_where_the_start_is_unknown(
        self, before: Instance
    ) -> None:
        before.run_started_at = None
        after = self.renewed(30)
        assert started(after, before) is None
        assert not mapping.is_new_run(before, after)

    @pytest.mark.parametrize("is_known", [True, False])
    def test_a_lease_that_changed_after_its_end_is_a_new_run(
        self, before: Instance, is_known: bool
    ) -> None:
        """Only a running notebook's lease can be renewed, so it was started again."""
        if not is_known:
            before.run_started_at = None
        after = self.renewed(66)
        now = NOW + timedelta(minutes=70)
        assert started(after, before, now) == NOW + timedelta(minutes=66)
        assert mapping.is_new_run(before, after)

    def test_a_start_that_was_seen_has_the_time_of_the_lease(self) -> None:
        before = row(status="STARTING")
        before.status_since = NOW - timedelta(seconds=20)
        assert started(row(), before, NOW + timedelta(seconds=5)) == NOW

    @pytest.mark.parametrize(("since", "later"), [(1, 30), (-60, -5)])
    def test_or_of_its_observation_if_that_cannot_be(
        self, since: int, later: int
    ) -> None:
        """The lease is older than the stop, or newer than our clock."""
        before = row(status="STOPPED")
        before.status_since = NOW + timedelta(seconds=since)
        now = NOW + timedelta(seconds=later)
        assert started(row(), before, now) == now

    def test_saving_an_image_begins_no_run(self, before: Instance) -> None:
        before.status = "SNAPSHOTTING"
        assert started(self.renewed(30), before) == before.run_started_at

    def test_of_one_first_seen_running_it_is_unknown(self) -> None:
        assert started(row(), None) is None

    def test_unless_it_was_just_created_then(self) -> None:
        created_ms = NOW_MS - 27_372
        lease = {"create_at": created_ms, "duration": 27_372 + HOUR_MS}
        later = NOW + timedelta(minutes=20)
        assert started(row(lease=lease), None, later) == NOW
