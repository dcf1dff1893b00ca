"""The pages of a bulk change: selection, preview, confirmation, progress."""

from datetime import timedelta
from typing import Any
from unittest.mock import Mock
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import batches, dispatch, messages
from dashboard.edits.models import Edit, EditBatch
from dashboard.edits.plans import BulkChange
from dashboard.instances.models import Instance
from dashboard.policies.models import Rule
from dashboard.web.stored_messages import Message, verbatim
from tests import factories

from .conftest import HTMX, hidden

BULK = "/bulk/"
OFF = BulkChange(Edit.Kind.UPDATE, {"auto_stop_enable": False})


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


def make_batch(actor: User, size: int = 3) -> EditBatch:
    many = [factories.make_instance() for _ in range(size)]
    many.append(factories.make_instance(missing_since=timezone.now()))
    draft = batches.draft_batch(
        actor=actor, selection=[one.pk for one in many], source=messages.SELECTED()
    )
    draft = batches.preview_batch(batch=draft, change=OFF)
    return batches.confirm_batch(batch=draft, preview=batches.preview_of(draft))


def test_from_the_list_to_the_batch(as_operator: Client, instance: Instance) -> None:
    other = factories.make_instance(name="<b>other</b>", auto_stop_enable=False)
    listed = as_operator.get("/instances/").content.decode()
    assert f'name="pick" value="{instance.pk}" form="bulk"' in " ".join(listed.split())
    answer = as_operator.post(
        BULK, {"scope": "picked", "pick": [instance.pk], "picked": f"{other.pk},"}
    )
    assert answer.status_code == 303
    draft = answer["Location"]
    assert "Change 2 instances" in as_operator.get(draft).content.decode()
    answer = as_operator.post(draft, {"action": "off"})
    assert (answer.status_code, answer["Location"]) == (303, draft)
    html = as_operator.get(draft).content.decode()
    assert "Already set, or set by" in html
    assert "&lt;b&gt;other&lt;/b&gt;" in html
    confirm = {"preview": hidden(html, "preview")}
    answer = as_operator.post(f"{draft}confirm/", confirm)
    batch = answer["Location"]
    assert batch.startswith("/batches/")
    # The back button and a second click lead to the same batch.
    assert as_operator.post(f"{draft}confirm/", confirm)["Location"] == batch
    assert as_operator.get(draft)["Location"] == batch
    assert Edit.objects.get().instance == instance
    assert "<strong>0</strong> of <strong>1</strong>" in (
        as_operator.get(batch).content.decode()
    )


def test_many_runs_are_extended_each_from_its_own_end(as_operator: Client) -> None:
    notebooks = [factories.make_notebook(stops_in=3600 * hours) for hours in (2, 3)]
    old = factories.make_instance(name="old")
    picked = {"pick": [one.pk for one in (*notebooks, old)]}
    draft = as_operator.post(BULK, picked)["Location"]
    answer = as_operator.post(draft, {"action": "extend", "extend_hours": "1,5"})
    assert answer.status_code == 303
    html = as_operator.get(draft).text
    assert "Extend each run by 1 h 30 min" in html
    assert "Extend 2 runs" in html
    assert "the old API" in html
    as_operator.post(f"{draft}confirm/", {"preview": hidden(html, "preview")})
    ends = {
        edit.instance: edit.patch["stop_timestamp_ms"] for edit in Edit.objects.all()
    }
    assert ends == {one: one.stop_timestamp_ms + 5_400_000 for one in notebooks}


def test_many_runs_are_extended_to_one_end_in_the_person_s_zone(
    as_operator: Client,
) -> None:
    as_operator.cookies["curfew_tz"] = "Asia/Tokyo"
    notebook = factories.make_notebook(stops_in=3600)
    draft = as_operator.post(BULK, {"pick": [notebook.pk]})["Location"]
    until = timezone.now().replace(second=0, microsecond=0) + timedelta(hours=5)
    typed = until.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%Y-%m-%dT%H:%M")
    as_operator.post(draft, {"action": "until", "until": typed})
    html = as_operator.get(draft).text
    assert f'value="{typed}"' in html
    as_operator.post(f"{draft}confirm/", {"preview": hidden(html, "preview")})
    end_ms = Edit.objects.get().patch["stop_timestamp_ms"]
    assert end_ms == round(until.timestamp() * 1000)


def test_many_notebooks_are_started_for_so_long(as_operator: Client) -> None:
    notebook = factories.make_notebook(status="STOPPED")
    old = factories.make_instance(status="STOPPED")
    draft = as_operator.post(BULK, {"pick": [notebook.pk, old.pk]})["Location"]
    as_operator.post(draft, {"action": "start", "start_hours": "2"})
    html = as_operator.get(draft).text
    as_operator.post(f"{draft}confirm/", {"preview": hidden(html, "preview")})
    patches = {edit.instance: edit.patch for edit in Edit.objects.all()}
    run = {"auto_stop_enable": True, "auto_stop_duration": 7200}
    assert patches == {notebook: run, old: {}}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "extend", "extend_hours": "x"}, "Enter a number of hours"),
        ({"action": "extend"}, "Enter a number of hours"),
        ({"action": "until"}, "Enter a date and a time."),
        ({"action": "until", "until": "soon"}, 'id="until-errors"'),
        ({"action": "until", "until": "2020-01-01T10:00"}, "This moment has passed."),
        ({"action": "until", "until": "2127-03-30T02:30"}, "The clocks change"),
        ({"action": "start", "start_hours": "-1"}, "Enter a number of hours"),
    ],
)
def test_an_end_that_cannot_be_read_is_said(
    as_operator: Client, fields: dict[str, str], words: str
) -> None:
    as_operator.cookies["curfew_tz"] = "Europe/Berlin"
    draft = as_operator.post(BULK, {"pick": [factories.make_notebook().pk]})
    answer = as_operator.post(draft["Location"], fields)
    assert answer.status_code == 422
    assert words in answer.text


def test_extensions_are_offered_only_where_one_is_possible(
    as_operator: Client, instance: Instance
) -> None:
    draft = as_operator.post(BULK, {"pick": [instance.pk]})["Location"]
    html = as_operator.get(draft).text
    assert 'value="extend"' not in html
    assert 'value="until"' not in html
    assert "start_hours" not in html


def test_everything_that_matches(as_operator: Client) -> None:
    expected = {factories.make_instance(status="STOPPED").pk for _ in range(30)}
    factories.make_instance()
    as_operator.post(BULK, {"scope": "matching", "query": "status=STOPPED&page=2"})
    draft = EditBatch.objects.get()
    assert set(draft.selection) == expected
    assert str(draft.source) == "Filter: status Stopped"


@pytest.mark.parametrize(
    "posted",
    [
        {},
        {"pick": "x"},
        {"pick": "1' OR 1=1"},
        {"picked": "9" * 40},
        {"pick": "٣"},
        {"picked": "1," * 50_000},
        {"pick": "999999"},
        {"scope": "matching", "query": "status=NOTHING"},
        {"scope": "matching", "query": "autostop=nonsense"},
    ],
)
def test_a_selection_that_makes_no_sense(
    as_operator: Client, instance: Instance, posted: dict[str, str]
) -> None:
    assert as_operator.post(BULK, posted).status_code in {400, 422}
    assert not EditBatch.objects.exists()


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        ({}, "Choose an action"),
        ({"action": "delete"}, "not one of the available"),
        ({"action": "hours"}, "Enter 1 to 24 hours"),
        ({"action": "hours", "auto_stop_hours": "25"}, "too long"),
        ({"action": "hours", "auto_stop_hours": "8.2"}, "not a step of half an hour"),
    ],
)
def test_a_choice_that_makes_no_sense(
    as_operator: Client, instance: Instance, posted: dict[str, str], words: str
) -> None:
    draft = as_operator.post(BULK, {"pick": instance.pk})["Location"]
    answer = as_operator.post(draft, posted)
    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_at_once_to_the_preview(as_operator: Client, instance: Instance) -> None:
    posted = {"pick": instance.pk, "action": "hours", "auto_stop_hours": "4"}
    html = as_operator.get(as_operator.post(BULK, posted)["Location"]).content.decode()
    assert "Preview: Auto-stop on, run time 4 h" in html
    assert "Applies from each" in html


@pytest.mark.parametrize(
    ("action", "words"), [("stop", "/home/ma-user/work"), ("start", "billed from its")]
)
def test_what_it_costs_is_said_before(
    as_operator: Client, action: str, words: str
) -> None:
    status = "RUNNING" if action == "stop" else "STOPPED"
    pk = factories.make_instance(status=status).pk
    answer = as_operator.post(BULK, {"pick": pk, "action": action})
    assert words in as_operator.get(answer["Location"]).content.decode()


def test_what_breaks_a_rule(as_operator: Client, instance: Instance) -> None:
    factories.make_instance(auto_stop_enable=False)
    rule = Rule.objects.create(name="On", reason="Money.", kind="auto_stop")
    html = as_operator.get(
        as_operator.post(BULK, {"rule": rule.pk})["Location"]
    ).content.decode()
    assert "This fixes violations of" in html
    assert "Change 1 instance" in html
    draft = EditBatch.objects.get()
    assert (draft.kind, len(draft.plan)) == ("update", 1)
    assert as_operator.post(BULK, {"rule": "7000"}).status_code == 404
    assert as_operator.post(BULK, {"rule": "x"}).status_code == 404


def test_runs_that_break_a_rule_are_stopped(as_operator: Client) -> None:
    no_auto_stop = factories.make_instance(stops_in=None, run_started_at=None)
    factories.make_instance(auto_stop_enable=False)
    rule = Rule.objects.create(name="On", reason="Money.", kind="auto_stop")
    as_operator.post(BULK, {"rule": rule.pk, "runs": "on"})
    draft = EditBatch.objects.get()
    assert (draft.kind, draft.selection) == ("stop", [no_auto_stop.pk])


def test_a_scientist_puts_right_their_own(client: Client, scientist: User) -> None:
    mine = factories.make_instance(auto_stop_enable=False)
    factories.make_instance(auto_stop_enable=False, owner_name="li.wei", owner_id="l")
    rule = Rule.objects.create(name="On", reason="Money.", kind="auto_stop")
    client.force_login(scientist)
    client.post(BULK, {"rule": rule.pk, "whose": "mine"})
    assert EditBatch.objects.get().selection == [mine.pk]


def test_a_scientist_changes_only_what_is_theirs(
    client: Client, scientist: User, instance: Instance
) -> None:
    foreign = factories.make_instance(owner_name="li.wei", owner_id="b" * 32)
    client.force_login(scientist)
    posted = {"pick": [instance.pk, foreign.pk], "action": "off"}
    draft = client.post(BULK, posted)["Location"]
    html = client.get(draft).content.decode()
    assert "Only its owner and operators" in html
    client.post(f"{draft}confirm/", {"preview": hidden(html, "preview")})
    assert [edit.instance for edit in Edit.objects.all()] == [instance]


def test_a_draft_is_its_owner_s_alone(
    client: Client, as_operator: Client, instance: Instance, admin: User, viewer: User
) -> None:
    draft = as_operator.post(BULK, {"pick": instance.pk, "action": "off"})["Location"]
    client.force_login(admin)
    for path in (draft, f"{draft}confirm/"):
        assert client.post(path, {"action": "stop"}).status_code == 404
    assert client.get(draft).status_code == 404
    client.force_login(viewer)
    assert client.get(draft).status_code == 403
    assert client.post(BULK, {"pick": instance.pk}).status_code == 403
    assert 'name="pick"' not in client.get("/instances/").content.decode()
    assert not Edit.objects.exists()


def test_the_progress_follows(as_operator: Client, operator: User) -> None:
    batch = make_batch(operator)
    at = batch.get_absolute_url()
    page = as_operator.get(at)
    layout = page.context["layout"]
    assert "In progress." in page.content.decode()
    fragment = f"{at}progress?layout={layout}"
    assert as_operator.get(fragment, headers=HTMX).status_code == 204
    first = batch.edits.first()
    assert first
    Edit.objects.filter(pk=first.pk).update(
        state="failed", message=verbatim("No."), finished_at=timezone.now()
    )
    news = as_operator.get(fragment, headers=HTMX).content.decode()
    assert 'id="results"' in news
    assert "<strong>1</strong> of <strong>3</strong>" in news
    Edit.objects.update(state="applied", finished_at=timezone.now())
    done = as_operator.get(at).content.decode()
    assert "Done." in done
    assert 'id="poller"' not in done


def test_results_by_state(as_operator: Client, operator: User) -> None:
    batch = make_batch(operator)
    at = batch.get_absolute_url()
    first = batch.edits.order_by("instance__name")[0]
    Edit.objects.filter(pk=first.pk).update(
        state="conflict", message=verbatim("Not so.")
    )
    for state, number in [
        *(("", 3), ("open", 2), ("failed", 1), ("applied", 0)),
        *(("skipped", 1), ("nonsense", 3)),
    ]:
        page = as_operator.get(f"{at}?state={state}")
        assert page.context["page"].paginator.count == number
    html = as_operator.get(f"{at}?state=skipped").content.decode()
    assert "no longer lists this instance" in html


def finish_edits(batch: EditBatch, *states: str) -> None:
    """Let the batch's edits end in these states, in the order of their instances."""
    for edit, state in zip(batch.edits.order_by("instance"), states, strict=True):
        edit.state = state
        edit.save()


def test_a_cancelled_batch_claims_no_success(
    as_operator: Client, operator: User
) -> None:
    batch = make_batch(operator)
    finish_edits(batch, "applied", "cancelled", "cancelled")
    page = as_operator.get(batch.get_absolute_url()).text
    outcome = page.partition('id="outcome"')[2].partition("</p>")[0]
    assert 'data-tone="info"' in outcome
    assert "<strong>Cancelled: 1 changed, 2 not sent.</strong>" in outcome
    assert "<progress" not in page
    assert "1 applied, 2 cancelled" in as_operator.get("/batches/").text


@pytest.mark.parametrize(
    ("states", "tone", "words"),
    [
        (
            ("applied", "applied", "applied"),
            "good",
            "ModelArts has confirmed every change",
        ),
        (("applied", "superseded", "applied"), "info", "2 applied, 1 superseded."),
        (("applied", "failed", "conflict"), "warn", "1 applied, 2 failed."),
        (("applied", "cancelled", "failed"), "info", "1 not sent, 1 failed."),
        (("applied", "queued", "failed"), "busy", "updates automatically"),
    ],
)
def test_a_batch_says_what_was_seen_of_it(
    as_operator: Client,
    operator: User,
    states: tuple[str, ...],
    tone: str,
    words: str,
) -> None:
    batch = make_batch(operator)
    finish_edits(batch, *states)
    page = as_operator.get(batch.get_absolute_url()).text
    outcome = page.partition('id="outcome"')[2].partition("</p>")[0]
    assert f'data-tone="{tone}"' in outcome
    assert words in outcome


def test_a_retry_takes_the_place_of_what_failed(
    as_operator: Client, operator: User
) -> None:
    batch = make_batch(operator)
    finish_edits(batch, "applied", "failed", "failed")
    draft = batches.retry_failed(batch=batch, actor=operator)
    again = batches.confirm_batch(batch=draft, preview=batches.preview_of(draft))
    finish_edits(again, "applied", "applied")
    page = as_operator.get(batch.get_absolute_url()).text
    assert 'id="retry-button"' not in page
    assert "ModelArts has confirmed every change." in page
    assert "1 applied, 2 retried" in page
    moved = as_operator.get(again.get_absolute_url())
    assert moved["Location"] == batch.get_absolute_url()
    with pytest.raises(batches.BatchError):
        batches.retry_failed(batch=batch, actor=operator)


def test_a_person_keeps_five_drafts(operator: User, instance: Instance) -> None:
    drafts = [
        batches.draft_batch(
            actor=operator, selection=[instance.pk], source=messages.SELECTED()
        )
        for _ in range(7)
    ]
    kept = operator.batches.order_by("created_at").values_list("pk", flat=True)
    assert list(kept) == [draft.pk for draft in drafts[2:]]


@pytest.mark.usefixtures("_fresh_news")
def test_previews_are_counted(
    as_operator: Client, instance: Instance, settings: Any
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"previews_per_minute": 2})
    form = {"scope": "picked", "pick": [instance.pk]}
    with time_machine.travel(timezone.now().replace(second=5), tick=False):
        answers = [as_operator.post(BULK, form) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303, 303, 422]
    assert "Too many previews" in answers[-1].text


def test_cancel_and_retry(as_operator: Client, operator: User) -> None:
    batch = make_batch(operator)
    at = batch.get_absolute_url()
    assert as_operator.post(f"{at}retry/")["Location"] == at
    failed = batch.edits.all()[0]
    Edit.objects.filter(pk=failed.pk).update(state="failed")
    assert as_operator.post(f"{at}cancel/").status_code == 303
    assert batch.edits.filter(state="cancelled").count() == 2
    again = as_operator.post(f"{at}retry/")["Location"]
    assert "Change 1 instance" in as_operator.get(again).content.decode()


@pytest.mark.parametrize(
    ("person", "may"), [("viewer", False), ("stranger", False), ("admin", True)]
)
def test_everybody_sees_a_batch_and_few_may_act_on_it(
    client: Client,
    operator: User,
    person: str,
    may: bool,
    request: pytest.FixtureRequest,
) -> None:
    client.force_login(request.getfixturevalue(person))
    batch = make_batch(operator)
    at = batch.get_absolute_url()
    assert ("pending" in client.get(at).content.decode()) is may
    assert "Auto-stop off" in client.get("/batches/").content.decode()
    for path in ("cancel", "retry"):
        assert client.post(f"{at}{path}/").status_code == (303 if may else 403)


def test_anonymous_unknown_and_wrong_method(client: Client, operator: User) -> None:
    nowhere = uuid4()
    pages = ["/batches/", f"/batches/{nowhere}/", f"/batches/{nowhere}/progress"]
    posts = [BULK, f"/bulk/{nowhere}/confirm/"]
    posts += [f"/batches/{nowhere}/{verb}/" for verb in ("cancel", "retry")]
    for path in pages:
        assert client.get(path).status_code == 302
    for path in posts:
        assert client.post(path).status_code == 302
    client.force_login(operator)
    for path in pages:
        assert client.post(path).status_code == 405
    for path in posts:
        assert client.get(path).status_code == 405
    assert "No bulk changes yet" in (client.get("/batches/").content.decode())
    for path in (*pages[1:], f"/bulk/{nowhere}/"):
        assert client.get(path).status_code == 404
    for path in posts[1:]:
        assert client.post(path).status_code == 404


def test_the_number_of_queries_does_not_grow(
    as_operator: Client, operator: User, django_assert_max_num_queries: Any
) -> None:
    counted = []
    for size in (10, 300):
        batch = make_batch(operator, size)
        draft = batches.draft_batch(
            actor=operator,
            selection=batch.edits.values_list("instance_id", flat=True),
            source=Message(),
        )
        draft = batches.preview_batch(
            batch=draft, change=BulkChange(Edit.Kind.STOP, {})
        )
        for path in (batch.get_absolute_url(), draft.get_absolute_url(), "/batches/"):
            with django_assert_max_num_queries(13) as captured:
                as_operator.get(path)
            counted.append(len(captured))
    assert all(many <= few for few, many in zip(counted[:3], counted[3:], strict=True))
