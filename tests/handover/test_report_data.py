"""The content of a handover, changes since then, and its Markdown."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.edits.models import EditBatch
from dashboard.handover import report_data, services
from dashboard.handover.document import Document, Section, digest, from_json, to_json
from dashboard.handover.markdown import MAX_CHARACTERS, escape, markdown
from dashboard.handover.models import Handover
from dashboard.handover.since_published import changes_since, next_handover
from dashboard.instances.countdown import status_message
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import RuleException
from dashboard.saved.models import SavedView
from dashboard.web.stored_messages import verbatim
from tests.factories import (
    make_cloud,
    make_instance,
    make_notebook,
    make_price,
    make_run,
)
from tests.instances.pages import add_edit
from tests.policies.conftest import make_rule

from .test_services import make_draft, publish


def draw(handover: Handover, user: User) -> Document:
    return report_data.build_document(handover, user=user, now=timezone.now())


def names(document: Document) -> dict[str, list[str]]:
    """Names in each section, in the order of its lines."""
    return {
        section.key: [
            name
            for item in section.items
            for name in (
                [named.name for named in item.names] if item.total else [item.name]
            )
        ]
        for section in document.sections
    }


def lines(sections: Iterable[Section]) -> list[str]:
    """The lines without their times."""
    return [
        str(re.sub(r"\w{3} (\d+ \w{3}, )?\d\d:\d\d UTC", "T", item.plain))
        for section in sections
        for item in section.items
    ]


@pytest.fixture
def draft(operator: User, cloud_row: Cloud) -> Handover:
    return make_draft(operator)


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


def test_a_document_survives_the_conversion_to_json(
    draft: Handover, operator: User
) -> None:
    make_instance(stops_in=600)
    draft.summary = "Quiet."
    document = draw(draft, operator)
    assert from_json(to_json(document)) == document


def test_a_published_handover_is_read_in_each_language_under_one_digest(
    draft: Handover, operator: User, instance: Instance
) -> None:
    add_edit(instance, operator, state="queued", patch={"auto_stop_enable": False})
    make_instance(name="odd", status="START_FAILED", problems=["spec"])
    with translation.override("de"):
        handover = publish(draft, operator)
    stored = Handover.objects.get(pk=handover.pk)
    assert stored.document is not None
    assert digest(stored.document) == stored.digest
    document = from_json(stored.document)
    items = {section.key: section.items for section in document.sections}
    [edit], [odd] = items["edits"], items["troubled"]
    assert edit.text == "Auto-stop off · Queued"
    assert odd.plain.startswith("Failed before ")
    with translation.override("de"):
        assert edit.text == "Auto-Stopp aus · Wartet"
        assert odd.plain.startswith("Fehlgeschlagen vor ")
        assert str(document.sections[1].title.text) == "Fällige Stopps"


LINE = {"name": "odd", "cloud": "demo", "instance_id": "DE-1", "edit_id": ""}
LINE |= {"who": "anna", "at": "2026-11-29T08:00:00+00:00"}
FORMATS = {
    1: {"words": "Start failed", "at_words": "since"},
    2: {
        "change": {},
        "status": status_message("START_FAILED").to_json(),
        "message": {},
        "at_label": {"code": "handover.since", "params": {}},
    },
}


@pytest.mark.parametrize("number", FORMATS)
def test_a_handover_of_an_old_format_is_shown_as_it_was_published(
    client: Client, draft: Handover, operator: User, number: int
) -> None:
    stored: dict[str, Any] = to_json(draw(draft, operator)) | {"format": number}
    note = {"text": "Disk", "owner": "ada", "next_action": "", "by": "ada"}
    stored |= {
        "notes": [note],
        "sections": [
            {"key": "troubled", "total": 4, "lines": [LINE | FORMATS[number]]}
        ],
    }
    del stored["scope"]
    draft.number, draft.document, draft.digest = 1, stored, digest(stored)
    draft.published_at, draft.published_by = timezone.now(), operator
    draft.save()
    client.force_login(operator)
    page = client.get(draft.get_absolute_url()).text
    for text in ("Start failed", "/instances/demo/DE-1/", "and 3 more", "Disk", "ada"):
        assert text in page
    assert "Integrity check failed" not in page
    assert "Mark as done" not in page
    if number == 1:
        with translation.override("de"):
            [troubled] = from_json(stored).sections
            assert troubled.items[0].plain.startswith("odd (anna): Start failed, since")


def test_changes_since_a_handover_take_15_lines(
    draft: Handover, operator: User, admin: User
) -> None:
    handover = publish(draft, operator)
    assert changes_since(handover, user=operator, now=timezone.now()) == []
    now = timezone.now()
    old = now - timedelta(days=1)
    statuses = "RUNNING STOPPED STARTING STOPPING START_FAILED DREAMING CREATING"
    for status in statuses.split():
        for _ in range(7):
            make_instance(status=status, status_since=now, first_seen_at=old)
    make_instance(status="STOPPED", missing_since=now, first_seen_at=old)
    new = make_instance(name="new")
    for number, (kind, actor) in enumerate(
        product(("stop", "start", "update", "extend"), (operator, admin))
    ):
        for key in "ab":
            add_edit(
                new, actor, f"{number}{key}", kind=kind, seq=10 * number + ord(key)
            )
    for name in ("One", "Two"):
        RuleException.objects.create(
            rule=make_rule(name=name),
            instance=new,
            reason="x",
            until=now,
            asked_by=admin,
        )
    for name in ("north", "south"):
        make_cloud(name, problem=verbatim("It does not answer."), problem_since=now)
    changes = changes_since(handover, user=operator, now=now)
    parts = dict(changes)
    assert list(parts) == ["Instances", "Changes", "Requests", "Clouds"]
    count = sum(len(part.items) + bool(part.hidden) for part in parts.values())
    assert count == 15
    first = lines([parts["Instances"]])
    assert first[0].startswith("Failed: 7 · ")
    assert first[-1] == "New: 1 · new"


def test_the_next_handover(draft: Handover, operator: User, instance: Instance) -> None:
    first = publish(draft, operator)
    second = publish(make_draft(operator), operator)
    third = publish(make_draft(operator), operator)
    assert next_handover(first) == second
    assert next_handover(second) == third
    assert next_handover(third) is None


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain words", "plain words"),
        ("a\n# b", "a # b"),
        ("# b", r"\# b"),
        ("[x](javascript:1)", r"\[x\](javascript:1)"),
        ("a[x]: [b] c", r"a[x\]: [b] c"),
        (r"C:\dir \*", r"C:\dir \\\*"),
        ("2 * 3 ~ 6 | $5 < 7 #12", "2 * 3 ~ 6 | $5 < 7 #12"),
        ("<img src=x>", r"\<img src=x>"),
        ("1. first", r"1\. first"),
        ("- first", r"\- first"),
        ("===", r"\==="),
        ("*_`|~", r"\*\_\`|\~"),
        ("&lt; R&D", r"\&lt; R&D"),
        ("eu-de: 14:30, 1.5 h (a_b_c!)", "eu-de: 14:30, 1.5 h (a_b_c!)"),
        ("_a_", r"\_a\_"),
        # Neither links nor mentions, in the chats that make them of plain text.
        ("https://status.example.org", "https://\u2060status.example.org"),
        ("//evil.example/x", "//\u2060evil.example/x"),
        ("www.evil.example", "www.\u2060evil.example"),
        ("_www.evil.example", "\\_www.\u2060evil.example"),
        ("a@b.c", "a@\u2060b.c"),
        ("xmpp:a@b.c", "xmpp:\u2060a@\u2060b.c"),
        ("gpu\u202efdp", "gpu fdp"),
    ],
)
def test_a_name_is_no_markup(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_markdown(draft: Handover, operator: User) -> None:
    make_instance(name="evil](x)\n# owned", stops_in=600)
    text = markdown(
        draw(draft, operator),
        title="Night shift",
        signatures=["Draft"],
        url="https://c.x/1/",
    )
    assert text.startswith("# Night shift\n\nDraft · https://c.x/1/\n")
    assert "\n## Stops due (1)\n\n- Due to stop by " in text
    assert r"evil\](x) # owned" in text
    assert "\n# owned" not in text
    # What is empty is left out.
    assert text.count("\n## ") == 1


def test_markdown_fits_into_a_chat(draft: Handover, operator: User) -> None:
    for number in range(60):
        services.add_note(handover=draft, actor=operator, text=f"{number} {'x' * 200}")
    draft.summary = "Quiet. " * 500
    url = "https://c.x/1/"
    text = markdown(draw(draft, operator), title="Shift", signatures=[], url=url)
    assert 3_000 < len(text) <= MAX_CHARACTERS
    shown = text.count("\n- ")
    assert text.endswith(f"\n\nand {60 - shown} more: {url}\n")


def test_markdown_in_german(draft: Handover, operator: User) -> None:
    make_instance(name="odd", status="START_FAILED", status_since=timezone.now())
    with translation.override("de"):
        text = markdown(
            draw(draft, operator), title="Übergabe", signatures=[], url="https://c.x/1/"
        )
    assert "\n## Fehlgeschlagen oder unbekannt (1)\n\n- Fehlgeschlagen seit " in text


def test_markdown_keeps_the_line_breaks_of_notes_and_leaves_out_empty_fields(
    draft: Handover, operator: User
) -> None:
    text = "Disk is full:\n- move a-b\n\nThen look again"
    services.add_note(handover=draft, actor=operator, text=text, owner="ada")
    services.add_note(
        handover=draft, actor=operator, text="x", next_action="Call eu-de"
    )
    draft.summary = "Quiet.\nTwo things."
    text = markdown(
        draw(draft, operator),
        title="Handover",
        signatures=["Draft"],
        url="https://c.x/1/",
    )
    assert "\n\nQuiet.  \nTwo things.\n" in text
    assert (
        "\n- Disk is full:  \n  \\- move a-b\n\n  Then look again · Owner: ada\n"
        "- x · Next: Call eu-de\n"
    ) in text


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
