"""The content of a handover: its sections, and what its shift cost."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.edits.models import EditBatch
from dashboard.handover import services
from dashboard.handover.document import digest, from_json, to_json
from dashboard.handover.markdown import markdown
from dashboard.handover.models import Handover
from dashboard.instances.models import Cloud
from dashboard.policies.models import RuleException
from dashboard.saved.models import SavedView
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance, make_notebook, make_price, make_run
from tests.instances.pages import add_edit
from tests.policies.conftest import make_rule

from .handovers import draw, lines, make_draft, names, publish


def test_an_empty_fleet_gives_empty_sections(draft: Handover, operator: User) -> None:
    document = draw(draft, operator)
    assert set(names(document)) == {
        *("late_stops", "stops", "no_auto_stop", "troubled"),
        *("edits", "requests", "changes", "health", "costs"),
    }
    assert not any(names(document).values())


def test_each_fact_in_its_section(draft: Handover, operator: User) -> None:
    now = timezone.now()
    due = make_instance(name="overdue", stops_in=-60)
    make_instance(name="soon", stops_in=3_600)
    make_instance(name="tomorrow", stops_in=30 * 3_600)
    make_instance(
        name="no_auto_stop", auto_stop_enable=False, stops_at=None, stops_in=None
    )
    make_instance(name="failed", status="START_FAILED")
    make_instance(name="odd", status="DREAMING")
    make_instance(name="unreadable", stops_in=40 * 3_600, problems=["spec"])
    make_instance(name="gone", status="STOPPED", missing_since=now)
    make_instance(
        name="long gone", status="STOPPED", missing_since=now - timedelta(days=3)
    )
    add_edit(due, operator, state="queued", seq=1, key="1")
    add_edit(due, operator, state="failed", seq=2, key="2", finished_at=now)
    add_edit(due, operator, state="applied", seq=3, key="3", finished_at=now)
    add_edit(
        due,
        operator,
        state="failed",
        seq=4,
        key="4",
        finished_at=now - timedelta(hours=9),
    )
    RuleException.objects.create(
        rule=make_rule(),
        instance=due,
        reason="One more night",
        until=now + timedelta(days=1),
        asked_by=operator,
    )
    Cloud.objects.update(problem=verbatim("It does not answer."), problem_since=now)
    assert names(draw(draft, operator)) == {
        "late_stops": [],
        "stops": ["overdue", "soon"],
        "no_auto_stop": ["no_auto_stop"],
        "troubled": ["failed", "odd", "unreadable", "gone"],
        "edits": ["overdue", "overdue"],
        "requests": ["overdue"],
        "changes": ["overdue"],
        "health": ["demo"],
        "costs": [],
    }


def test_a_line_says_how_many_since_when_and_names_the_first(
    draft: Handover, operator: User
) -> None:
    now = timezone.now()
    for number in range(8):
        make_instance(name=f"new-{number}", status="START_FAILED", status_since=now)
    make_instance(name="old", status="ERROR", status_since=now - timedelta(days=2))
    [troubled] = draw(draft, operator).found
    assert lines([troubled]) == [
        "Failed since T: 8 · new-0, new-1, new-2, new-3, new-4 and 3 more",
        "Failed before T: 1 · old",
    ]
    assert (troubled.total, troubled.hidden) == (9, 0)


def test_bulk_changes_policies_and_people_are_one_line_each(
    draft: Handover, operator: User, admin: User
) -> None:
    now = timezone.now()
    batch = EditBatch.objects.create(
        actor=operator, kind="stop", confirmed_at=now, source=verbatim("")
    )

    def edit(key: str, actor: User | None, **fields: Any) -> None:
        instance = make_instance(name=f"n-{key}", stops_in=40 * 3_600)
        fields = {"state": "applied", "finished_at": now} | fields
        add_edit(instance, actor, key, **fields)

    retry = EditBatch.objects.create(
        actor=operator, kind="stop", confirmed_at=now, retry_of=batch
    )
    undo = EditBatch.objects.create(
        actor=admin, kind="start", confirmed_at=now, undo_of=batch
    )
    for number in range(12):
        edit(f"b{number}", operator, batch=batch, kind="stop")
        edit(f"r{number}", operator, batch=retry, kind="stop")
        edit(f"u{number}", admin, batch=undo, kind="start")
        edit(f"p{number}", None, kind="stop", policy_name="Quiet nights")
        edit(f"s{number}", None, kind="stop", schedule_name="Office hours")
        edit(f"x{number}", admin, kind="stop")
    edit("failed", operator, batch=batch, kind="stop", state="failed")
    edit("single", admin, kind="update")
    *_, edits, _, changes, _, _ = draw(draft, operator).sections
    assert sorted(lines([changes])) == [
        "Stop · 12 applied · Policy “Quiet nights”, T · "
        "n-p11, n-p10, n-p9, n-p8, n-p7 and 7 more",
        "Stop · 12 applied · Schedule “Office hours”, T · "
        "n-s11, n-s10, n-s9, n-s8, n-s7 and 7 more",
        "admin: Stop · 12 applied, T · n-x11, n-x10, n-x9, n-x8, n-x7 and 7 more",
        "admin: Undo: Stop · 12 applied, T",
        "n-single (admin): Run time 2 h, T",
        "operator: Stop · 24 applied, T",
    ]
    assert (changes.total, changes.hidden) == (73, 0)
    assert next(filter(None, (item.edit_url for item in changes.items))).endswith("/")
    # It failed in a bulk change, and is the only one that did.
    assert [item.name for item in edits.items] == ["n-failed"]


def test_a_bulk_change_that_waits_for_approval_is_an_open_request(
    draft: Handover, operator: User
) -> None:
    batch = EditBatch.objects.create(
        actor=operator, kind="stop", plan=[{}] * 30, approval_asked_at=timezone.now()
    )
    [requests] = draw(draft, operator).found
    assert lines([requests]) == [
        "operator: Stop · 30 instances, waiting for approval, T"
    ]
    assert requests.items[0].edit_url == batch.get_absolute_url()


@pytest.mark.parametrize(
    ("kind", "patch", "text"),
    [
        (
            "start",
            {"auto_stop_enable": True, "auto_stop_duration": 14_400},
            "Start for 4 h",
        ),
        ("start", {"auto_stop_enable": False}, "Start without auto-stop"),
        (
            "extend",
            {"lease_type": "idle", "idle_seconds": 3_600},
            "Stop when idle for 1 h",
        ),
        ("extend", {"stop_timestamp_ms": 0}, "Extend until 1 Jan 1970, 00:00 UTC"),
        ("update", {"name": "x", "tags": {}}, "Name x, clear the tags"),
    ],
)
def test_changes_of_notebooks_are_described(
    draft: Handover, operator: User, kind: str, patch: dict[str, Any], text: str
) -> None:
    notebook = make_notebook(name="lab", idle_seconds=3_600)
    add_edit(notebook, operator, kind=kind, patch=patch, state="queued")
    document = draw(draft, operator)
    # Its lease is idle: it neither stops at a known time nor runs until someone acts.
    assert [section.key for section in document.found] == ["edits"]
    assert document.found[0].items[0].text == f"{text} · Queued"


def test_a_handover_of_a_view_is_about_its_instances(operator: User) -> None:
    make_instance(name="mine", owner_name="li.wei", status="ERROR")
    other = make_instance(name="other", status="ERROR")
    add_edit(other, operator, state="queued")
    view = SavedView.objects.create(owner=operator, name="Li", query="owner=li.wei")
    draft = make_draft(operator, view=view)
    services.add_note(handover=draft, actor=operator, text="Li's", owner="li")
    document = draw(draft, operator)
    assert (document.scope, document.counts["total"]) == ("Li", 1)
    assert [section.key for section in document.found] == ["troubled"]
    assert names(document)["troubled"] == ["mine"]
    publish(draft, operator)
    assert draw(make_draft(operator), operator).notes == []
    [action] = draw(make_draft(operator, view=view), operator).notes
    assert action.text == "Li's"
    assert str(draft.title).endswith(" · Li")


@pytest.mark.parametrize(
    ("since", "zone", "english", "german"),
    [
        (
            "21:00",
            "Europe/Berlin",
            "Night shift, Mon 30 Nov",
            "Nachtschicht, Mo 30.11.",
        ),
        (
            "05:00",
            "Europe/Berlin",
            "Morning shift, Mon 30 Nov",
            "Frühschicht, Mo 30.11.",
        ),
        (
            "13:00",
            "Europe/Berlin",
            "Evening shift, Mon 30 Nov",
            "Spätschicht, Mo 30.11.",
        ),
        (
            "21:00",
            "Asia/Shanghai",
            "Morning shift, Tue 1 Dec",
            "Frühschicht, Di 1.12.",
        ),
    ],
)
def test_a_handover_is_named_after_its_shift(
    since: str, zone: str, english: str, german: str
) -> None:
    start = datetime.fromisoformat(f"2026-11-30T{since}Z")
    title = Handover(since=start, zone=zone).title
    assert str(title) == english
    with translation.override("de"):
        assert str(title) == german


def test_the_number_of_queries_does_not_grow(
    draft: Handover, operator: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        instance = make_instance(stops_in=600, status="RUNNING")
        add_edit(instance, operator, state="queued", key=f"{number}")
    with django_assert_max_num_queries(32):
        draw(draft, operator)


def test_a_shift_says_what_ran_what_it_cost_and_what_was_saved(
    draft: Handover, operator: User
) -> None:
    now = timezone.now()
    Cloud.objects.update(read_at=now)
    make_price("2.05")  # 0.05 while stopped
    draft.since = now - timedelta(hours=8)
    draft.save()
    make_run(started_at=now - timedelta(hours=10), hours=4)
    make_run(started_at=now - timedelta(hours=3), ended_at=None)
    make_run(started_at=now - timedelta(hours=2), ended_at=None, flavor="new")
    document = draw(draft, operator)
    found = {section.key: section for section in document.sections}["costs"]
    expected = [
        "3 instances ran 7.0 h",
        "Cost: 10.25 EUR",
        "No price: 2.0 h",
        "1 stop has saved 6.0 h · 12.00 EUR",
    ]
    assert [item.text for item in found.items] == expected
    stored = from_json(to_json(document))
    assert digest(to_json(stored)) == digest(to_json(document))
    with translation.override("de"):
        section = next(part for part in stored.sections if part.key == "costs")
        assert section.items[1].text == "Kosten: 10,25 EUR"
    text = markdown(document, title="T", signatures=[], url="https://curfew.test/")
    assert "## Costs of this shift\n\n- 3 instances ran 7.0 h" in text


def test_a_shift_in_which_nothing_ran_has_no_costs(
    draft: Handover, operator: User
) -> None:
    costs = next(part for part in draw(draft, operator).sections if part.key == "costs")
    assert not costs.items


def test_a_shift_of_a_view_costs_what_its_instances_cost(
    draft: Handover, operator: User
) -> None:
    make_price("2.00")
    now = timezone.now()
    Cloud.objects.update(read_at=now)
    for name in ("seen", "other"):
        make_run(name=name, started_at=now - timedelta(hours=1), ended_at=None)
    draft.since, draft.query = now - timedelta(hours=8), "q=seen"
    costs = next(part for part in draw(draft, operator).sections if part.key == "costs")
    assert [item.text for item in costs.items] == [
        *("1 instance ran 1.0 h", "Cost: 2.00 EUR")
    ]
