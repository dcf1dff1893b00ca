"""What a handover says: facts, news, and the Markdown of them."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.handover import report_data, services, since_published
from dashboard.handover.document import MOST_LINES, Document, digest, from_json, to_json
from dashboard.handover.markdown import escape, markdown
from dashboard.handover.models import Handover
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import RuleException
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance
from tests.instances.pages import add_edit
from tests.policies.conftest import make_rule

from .test_services import make_draft, publish


def draw(handover: Handover, user: User) -> Document:
    return report_data.draw(handover, user=user, now=timezone.now())


def told(document: Document) -> dict[str, list[str]]:
    """Names in each section."""
    return {one.key: [line.name for line in one.lines] for one in document.sections}


@pytest.fixture
def draft(operator: User, cloud_row: Cloud) -> Handover:
    return make_draft(operator)


def test_nothing_to_tell(draft: Handover, operator: User) -> None:
    document = draw(draft, operator)
    assert set(told(document)) == {
        *("stops", "no_auto_stop", "troubled", "edits", "requests", "changes", "health")
    }
    assert not any(told(document).values())


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
    assert told(draw(draft, operator)) == {
        "stops": ["overdue", "soon"],
        "no_auto_stop": ["no_auto_stop"],
        "troubled": ["odd", "unreadable", "failed", "gone"],
        "edits": ["overdue", "overdue"],
        "requests": ["overdue"],
        "changes": ["overdue"],
        "health": ["demo"],
    }


def test_a_long_section_is_counted(draft: Handover, operator: User) -> None:
    for _ in range(MOST_LINES + 3):
        make_instance(stops_in=600)
    (stops, *_) = draw(draft, operator).sections
    assert (len(stops.lines), stops.total, stops.hidden) == (50, 53, 3)


def test_the_number_of_queries_does_not_grow(
    draft: Handover, operator: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        one = make_instance(stops_in=600, status="RUNNING")
        add_edit(one, operator, state="queued", key=f"{number}")
    with django_assert_max_num_queries(20):
        draw(draft, operator)


def test_frozen_and_thawed_is_the_same(draft: Handover, operator: User) -> None:
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
    lines = {one.key: one.lines for one in document.sections}
    [edit], [odd] = lines["edits"], lines["troubled"]
    assert edit.text == "Auto-stop off · Queued"
    assert odd.text == "Start failed · some fields could not be read"
    with translation.override("de"):
        assert edit.text == "Auto-Stopp aus · Wartet"
        assert odd.text == "Start fehlgeschlagen · einige Felder nicht lesbar"
        assert str(document.sections[0].title.text) == "Fällige Stopps"


def test_a_handover_of_format_1_is_shown_as_it_was_published(
    draft: Handover, operator: User
) -> None:
    make_instance(name="odd", status="START_FAILED")
    frozen = to_json(draw(draft, operator)) | {"format": 1}
    [troubled] = [one for one in frozen["sections"] if one["key"] == "troubled"]
    [line] = troubled["lines"]
    for name in ("change", "status", "message", "at_label"):
        del line[name]
    line |= {"words": "Start failed", "at_words": "since"}
    [shown] = next(one for one in from_json(frozen).sections if one.total).lines
    with translation.override("de"):
        assert (shown.text, str(shown.at_label)) == ("Start failed", "since")


def test_new_since_then(draft: Handover, operator: User, instance: Instance) -> None:
    handover = publish(draft, operator)
    Instance.objects.update(first_seen_at=timezone.now() - timedelta(days=1))
    told = since_published.since(handover, user=operator, now=timezone.now())
    assert told.sections == []
    Instance.objects.update(status="STOPPED", status_since=timezone.now())
    add_edit(instance, operator, state="queued")
    told = since_published.since(handover, user=operator, now=timezone.now())
    assert [(name, one.total) for name, one in told.sections] == [
        ("Instances", 1),
        ("Changes", 1),
    ]


def test_a_later_handover_tells_the_news(
    draft: Handover, operator: User, instance: Instance
) -> None:
    first = publish(draft, operator)
    second = publish(make_draft(operator), operator)
    third = publish(make_draft(operator), operator)
    now = timezone.now()
    assert since_published.since(first, user=operator, now=now).later == second
    assert since_published.since(second, user=operator, now=now).later == third
    assert since_published.since(third, user=operator, now=now).later is None


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain words", "plain words"),
        ("a\n# b", r"a \# b"),
        ("[x](javascript:1)", r"\[x\](javascript:1)"),
        ("<img src=x>", r"\<img src=x>"),
        ("1. first", r"1\. first"),
        ("- first", r"\- first"),
        ("===", r"\==="),
        ("*_`|~", r"\*\_\`\|\~"),
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
        draw(draft, operator), title="Handover", signed=["Draft"], site="https://c.x"
    )
    assert "\n## Stops due (1)\n" in text
    assert r"[evil\](x) \# owned](<https://c.x/instances/demo/DE-" in text
    assert "\n## Notes\n\nNone\n" in text
    assert "\n## Cloud health (0)\n\nNone\n" in text
    assert "\n# owned" not in text


def test_markdown_in_german(draft: Handover, operator: User) -> None:
    make_instance(name="odd", status="START_FAILED", status_since=timezone.now())
    with translation.override("de"):
        text = markdown(
            draw(draft, operator), title="Übergabe", signed=[], site="https://c.x"
        )
    assert "\n## Notizen\n\nKeine\n" in text
    assert "Start fehlgeschlagen, seit " in text


def test_markdown_keeps_the_line_breaks_of_notes_and_leaves_out_empty_fields(
    draft: Handover, operator: User
) -> None:
    text = "Disk is full:\n- move a-b\n\nThen look again"
    services.add_note(handover=draft, actor=operator, text=text, owner="ada")
    services.add_note(
        handover=draft, actor=operator, text="x", next_action="Call eu-de"
    )
    draft.summary = "Quiet.\nTwo things."
    said = markdown(
        draw(draft, operator), title="Handover", signed=["Draft"], site="https://c.x"
    )
    assert "\n\nQuiet.  \nTwo things.\n" in said
    assert (
        "\n- Disk is full:  \n  \\- move a-b\n\n  Then look again\n  - Owner: ada\n"
        "- x\n  - Next: Call eu-de\n"
    ) in said
