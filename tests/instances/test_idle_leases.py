"""How long an idle lease lets a notebook be unused: shown only where it is known."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.api.services import create_token
from dashboard.emulator import Emulator
from dashboard.instances import mapping, upstream
from dashboard.instances.countdown import this_run
from dashboard.instances.models import Instance
from dashboard.instances.refresh import refresh_cloud
from dashboard.modelarts.notebook_schemas import Notebook
from dashboard.modelarts.requests import RenewLeaseRequest
from tests.factories import make_notebook

CREATED_MS = 1_784_946_917_652
CHANGED_MS = CREATED_MS + 86_400_000
SECOND_MS, MINUTE_MS, HOUR_MS = 1_000, 60_000, 3_600_000


def seen(
    *,
    after_ms: int,
    end_ms: int,
    known: dict[str, Any] | None = None,
    changed_ms: int = CHANGED_MS,
    **members: Any,
) -> dict[str, Any]:
    """Return the columns of a notebook with an idle lease.

    Args:
        after_ms: When it is read, counted from the last change of the lease.
        end_ms: Its end, likewise.
        known: The columns as read before.
    """
    lease = {
        "create_at": CREATED_MS,
        "update_at": changed_ms,
        "duration": changed_ms + end_ms - CREATED_MS,
        "enable": True,
        "type": "IDLE",
    }
    notebook = {"id": "n", "status": "RUNNING", "lease": lease} | members
    return mapping.columns(
        Notebook.model_validate(notebook),
        skew_ms=0,
        known=None if known is None else Instance(**known),
        now=datetime.fromtimestamp((changed_ms + after_ms) / 1_000, UTC),
    )


@pytest.mark.parametrize("after_ms", [0, 10 * SECOND_MS, 50 * SECOND_MS])
@pytest.mark.parametrize("minutes", [61, 90, 120, 24 * 60, 72 * 60])
def test_soon_after_the_change_it_is_known(after_ms: int, minutes: int) -> None:
    values = seen(after_ms=after_ms, end_ms=minutes * MINUTE_MS + 400)
    assert values["idle_seconds"] == minutes * 60


@pytest.mark.parametrize(
    ("after_ms", "end_ms"),
    [
        (MINUTE_MS, 2 * HOUR_MS),
        (5 * MINUTE_MS, 2 * HOUR_MS),
        # Used after 5 minutes, and read at once or some time later.
        (5 * MINUTE_MS, HOUR_MS + 5 * MINUTE_MS),
        (6 * MINUTE_MS, HOUR_MS + 5 * MINUTE_MS),
        # Used for hours.
        (5 * HOUR_MS, 6 * HOUR_MS),
        (5 * HOUR_MS, 5 * HOUR_MS + 35 * MINUTE_MS),
        (80 * HOUR_MS, 81 * HOUR_MS),
        # No whole number of minutes.
        (SECOND_MS, HOUR_MS + 30 * SECOND_MS),
        # Not possible: too short, too long, or a clock that is wrong.
        (0, HOUR_MS - MINUTE_MS),
        (0, 73 * HOUR_MS),
        (-MINUTE_MS, 2 * HOUR_MS),
    ],
)
def test_else_it_is_unknown(after_ms: int, end_ms: int) -> None:
    values = seen(after_ms=after_ms, end_ms=end_ms)
    assert values["lease_type"] == "idle"
    assert values["idle_stop_at"] is not None
    assert values["idle_seconds"] is None


def test_the_shortest_is_known_until_the_notebook_is_used() -> None:
    assert seen(after_ms=50 * MINUTE_MS, end_ms=HOUR_MS)["idle_seconds"] == 3_600


def test_use_moves_the_end_and_not_the_idle_time() -> None:
    asked = seen(after_ms=0, end_ms=2 * HOUR_MS)
    later = seen(after_ms=3 * HOUR_MS, end_ms=4 * HOUR_MS, known=asked)
    assert later["idle_seconds"] == 7_200
    assert later["idle_stop_at"] > asked["idle_stop_at"]


def test_the_first_use_tells_it_if_it_is_seen_at_once() -> None:
    end_ms = 2 * HOUR_MS
    unused = seen(after_ms=50 * MINUTE_MS, end_ms=end_ms)
    assert unused["idle_seconds"] is None
    used_ms = 55 * MINUTE_MS
    at_once = seen(after_ms=used_ms + 9_000, end_ms=used_ms + end_ms, known=unused)
    assert at_once["idle_seconds"] == 7_200
    late = seen(after_ms=used_ms + MINUTE_MS, end_ms=used_ms + end_ms, known=unused)
    assert late["idle_seconds"] is None


def test_later_uses_tell_nothing_if_the_first_were_missed() -> None:
    used = seen(after_ms=5 * HOUR_MS, end_ms=6 * HOUR_MS)
    again = seen(after_ms=6 * HOUR_MS, end_ms=7 * HOUR_MS, known=used)
    assert again["idle_seconds"] is None
    assert seen(after_ms=6 * HOUR_MS, end_ms=7 * HOUR_MS, known=again) == again


@pytest.mark.parametrize("status", ["SNAPSHOTTING", "STOPPED"])
def test_it_stays_known_while_the_notebook_does_something_else(status: str) -> None:
    asked = seen(after_ms=0, end_ms=2 * HOUR_MS)
    other = seen(after_ms=HOUR_MS, end_ms=2 * HOUR_MS, known=asked, status=status)
    assert (other["idle_seconds"], other["idle_stop_at"]) == (7_200, None)
    back = seen(after_ms=HOUR_MS, end_ms=2 * HOUR_MS, known=other)
    assert back["idle_seconds"] == 7_200


def test_a_new_lease_has_an_idle_time_of_its_own() -> None:
    asked = seen(after_ms=0, end_ms=2 * HOUR_MS)
    later_ms = CHANGED_MS + HOUR_MS
    renewed = seen(after_ms=0, end_ms=3 * HOUR_MS, known=asked, changed_ms=later_ms)
    assert renewed["idle_seconds"] == 10_800
    missed = seen(
        after_ms=HOUR_MS, end_ms=3 * HOUR_MS, known=asked, changed_ms=later_ms
    )
    assert missed["idle_seconds"] is None


@pytest.mark.parametrize("empty_cloud", [{"fleet": 6, "notebooks": 6}], indirect=True)
def test_a_notebook_that_was_used_for_hours(cloud: Emulator) -> None:
    """Two of the first notebooks have an idle lease; one is still in use."""

    def texts() -> dict[str, str]:
        refresh_cloud("demo")
        rows = Instance.objects.filter(lease_type="idle").select_related("cloud")
        return {row.name: this_run(row, timezone.now()).text for row in rows}

    unknown = dict.fromkeys(("interactive-lab", "annotation-tool"), "stops when idle")
    assert texts() == unknown
    busy = Instance.objects.get(name="annotation-tool")
    duration_ms = busy.document["lease"]["duration"]
    cloud.clock.advance(301)
    assert texts() == unknown
    busy.refresh_from_db()
    assert busy.document["lease"]["duration"] > duration_ms, "it was used"
    lease = RenewLeaseRequest(seconds=5_400, type="idle")
    upstream.client_for("demo").notebooks.renew_lease(busy.instance_id, lease)
    renewed = unknown | {"annotation-tool": "stops after 1 h 30 min idle"}
    assert texts() == renewed
    cloud.clock.advance(901)
    assert texts() == renewed


def test_pages_give_no_number_that_is_not_known(client: Client, operator: Any) -> None:
    earliest = timezone.now().replace(microsecond=0) + timedelta(hours=1)
    notebook = make_notebook(lease_type="idle", stops_in=None, idle_stop_at=earliest)
    page = notebook.get_absolute_url()
    client.force_login(operator)
    for address in ("/instances/", "/instances/?q=lab", page, f"{page}extend/"):
        shown = " ".join(client.get(address).text.split())
        assert "stops when idle" in shown, address
        assert 'not before <time datetime="' in shown, address
        assert not re.search(r"stops after|Idle time<", shown), address
    assert "stops when idle" in client.get("/due/").text
    _, secret = create_token(owner=operator, name="t", scopes=["read"], days=1)
    answer = client.get(
        f"/api/v1/instances/{notebook.reference}",
        headers={"Authorization": f"Bearer {secret}"},
    ).json()
    assert answer["lease"]["idle_seconds"] is None
    assert datetime.fromisoformat(answer["lease"]["not_before"]) == earliest
    assert answer["this_run"]["text"].startswith("stops when idle")
