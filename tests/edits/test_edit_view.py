"""The page of the edit form, and its submission."""

from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.edits.snapshot import FormSnapshot
from dashboard.instances.models import Instance
from tests import factories

from .conftest import HTMX, finish, form_fields, form_url, hidden

FORM = "edits/edit.html"


def latest() -> Edit:
    return Edit.objects.latest("created_at")


def test_the_form_shows_what_the_mirror_holds(
    as_operator: Client, instance: Instance
) -> None:
    html = as_operator.get(form_url(instance)).content.decode()
    assert "Churn model, second try</textarea>" in html
    assert 'name="auto_stop_hours"' in html
    assert 'min="1" max="24" step="0.5"' in " ".join(html.split())
    assert 'value="8"' in html


def test_a_change_is_accepted_and_leads_to_the_instance(
    as_operator: Client, instance: Instance, operator: User
) -> None:
    posted = form_fields(instance, description="one\r\ntwo", auto_stop_hours="4.5")
    answer = as_operator.post(form_url(instance), posted)
    assert answer.status_code == 303
    assert answer["Location"] == instance.get_absolute_url()
    assert latest().patch == {"description": "one\ntwo", "auto_stop_duration": 16_200}
    assert latest().base == {
        "description": "Churn model, second try",
        "auto_stop_duration": 28_800,
    }
    assert latest().actor == operator
    assert latest().state == Edit.State.QUEUED


def test_htmx_is_sent_to_the_instance_too(
    as_operator: Client, instance: Instance
) -> None:
    posted = form_fields(instance, description="new")
    answer = as_operator.post(form_url(instance), posted, headers=HTMX)
    assert answer["HX-Redirect"] == instance.get_absolute_url()


def test_in_the_card_of_an_instance_the_form_is_a_fragment_and_the_page_stays(
    as_operator: Client, instance: Instance
) -> None:
    slot = f"edit-slot-{instance.pk}"
    headers = HTMX | {"HX-Target": slot}
    page = as_operator.get(form_url(instance), headers=headers).text
    assert "<html" not in page
    assert f'hx-target="#{slot}"' in page
    assert 'id="cancel-edit"' in page
    posted = form_fields(instance, auto_stop_hours="30")
    refused = as_operator.post(form_url(instance), posted, headers=headers)
    assert refused.status_code == 422
    assert f'hx-target="#{slot}"' in refused.text
    posted = form_fields(instance, auto_stop_hours="3")
    accepted = as_operator.post(form_url(instance), posted, headers=headers)
    assert accepted.status_code == 202
    assert "curfew:accepted" in accepted["HX-Trigger"]
    assert latest().patch == {"auto_stop_duration": 10_800}


def test_the_same_form_sent_twice_is_one_edit(
    as_operator: Client, instance: Instance
) -> None:
    posted = form_fields(instance, description="new")
    as_operator.post(form_url(instance), posted)
    as_operator.post(form_url(instance), posted)
    assert Edit.objects.count() == 1


def test_a_form_without_changes_makes_no_edit(
    as_operator: Client, instance: Instance
) -> None:
    answer = as_operator.post(form_url(instance), form_fields(instance), follow=True)
    assert "No changes to save." in answer.content.decode()
    assert not Edit.objects.exists()


@pytest.mark.parametrize("prompt_shown", ["1", None])
def test_the_reminder_counts_only_where_the_form_showed_it(
    as_operator: Client, instance: Instance, prompt_shown: str | None
) -> None:
    posted = form_fields(
        instance, description="new", prompt=None, prompt_shown=prompt_shown
    )
    as_operator.post(form_url(instance), posted)
    assert ("auto_stop_prompt" in latest().patch) == (prompt_shown is not None)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_wrong_values_come_back_with_all_that_was_typed(
    as_operator: Client, instance: Instance, headers: dict[str, str]
) -> None:
    posted = form_fields(instance, description="R&D <3", auto_stop_hours="8.3")
    answer = as_operator.post(form_url(instance), posted, headers=headers)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "R&amp;D &lt;3</textarea>" in html
    assert 'value="8.3"' in html
    assert "A description cannot contain &amp; &lt;." in html
    assert "8.3 h is not a step of half an hour." in html
    # Signed anew, perhaps a second later.
    again = FormSnapshot.read(hidden(html, "seen"), instance)
    assert again == FormSnapshot.read(posted["seen"], instance)
    assert ("<html" in html) == (not headers)
    assert not Edit.objects.exists()


def test_the_form_is_opened_on_the_edits_under_way(
    as_operator: Client, instance: Instance, edit: Edit
) -> None:
    html = as_operator.get(form_url(instance)).content.decode()
    assert "Third try</textarea>" in html
    assert "Pending changes." in html


class TestEffect:
    """The sentence about both clocks."""

    @pytest.mark.parametrize(
        ("status", "extra", "words"),
        [
            ("RUNNING", {}, "The current run still stops"),
            ("RUNNING", {"stops_in": -60}, "The current run is about to stop."),
            (
                "RUNNING",
                {"stops_in": None, "auto_stop_enable": False},
                "The current run continues until it is stopped",
            ),
            ("RUNNING", {"stops_in": None}, "The end of the current run is unknown"),
            ("STARTING", {}, "The instance is starting."),
            ("START_QUEUING", {}, "The instance is starting."),
            ("STOPPING", {}, "The current run is ending."),
            ("STOPPED", {}, "The instance is not running."),
            ("START_FAILED", {}, "The instance is not running."),
            ("HIBERNATING", {}, "Unknown status “HIBERNATING”"),
        ],
    )
    def test_this_run(
        self, as_operator: Client, status: str, extra: dict[str, Any], words: str
    ) -> None:
        instance = factories.make_instance(status=status, **extra)
        assert words in as_operator.get(form_url(instance)).content.decode()

    @pytest.mark.parametrize(
        ("typed", "shown"),
        [
            ({"auto_stop_hours": "2"}, "on"),
            ({"auto_stop_hours": "x"}, "unclear"),
            ({"auto_stop_enable": None}, "off"),
        ],
    )
    def test_next_run(
        self, as_operator: Client, instance: Instance, typed: dict[str, Any], shown: str
    ) -> None:
        posted = form_fields(instance, description="<", **typed)
        html = as_operator.post(form_url(instance), posted).content.decode()
        visible = [
            name
            for name in ("on", "unclear", "off")
            if f'data-effect="{name}">' in html
        ]
        assert visible == [shown]


@pytest.mark.parametrize("person", ["viewer", "stranger"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_not_change_it_is_told_so(
    client: Client,
    instance: Instance,
    person: str,
    method: str,
    request: pytest.FixtureRequest,
) -> None:
    client.force_login(request.getfixturevalue(person))
    answer = getattr(client, method)(form_url(instance), {"description": "x"})
    assert answer.status_code == 403
    assert "You don&#x27;t have permission to change this" in answer.content.decode()
    assert "Not possible now" not in answer.content.decode()
    assert not Edit.objects.exists()


def test_its_owner_may(client: Client, instance: Instance, scientist: User) -> None:
    client.force_login(scientist)
    assert client.get(form_url(instance)).status_code == 200
    posted = form_fields(instance, description="mine")
    assert client.post(form_url(instance), posted).status_code == 303


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_vanished_instance_says_why_it_cannot_be_edited(
    as_operator: Client, method: str
) -> None:
    instance = factories.make_instance(missing_since=datetime.now(UTC))
    answer = getattr(as_operator, method)(form_url(instance))
    assert answer.status_code == 409
    assert "no longer lists this instance" in answer.content.decode()


def test_the_sign_in_comes_first(client: Client, instance: Instance) -> None:
    answer = client.get(form_url(instance))
    assert answer.status_code == 302
    assert "/accounts/login/" in answer["Location"]
    answer = client.post(form_url(instance), headers=HTMX)
    assert "/accounts/login/" in answer["HX-Redirect"]


def test_an_unknown_instance_is_not_found(
    as_operator: Client, instance: Instance
) -> None:
    for cloud, name in ((instance.cloud.name, "DE-0"), ("x", instance.instance_id)):
        assert (
            as_operator.get(reverse("edits:edit", args=[cloud, name])).status_code
            == 404
        )


def test_other_methods_are_refused(as_operator: Client, instance: Instance) -> None:
    assert as_operator.put(form_url(instance)).status_code == 405


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "</textarea><b>", "日本語 مرحبا " * 40]
)
def test_hostile_text_stays_text(as_operator: Client, text: str) -> None:
    instance = factories.make_instance(name=text[:512], description=text)
    html = as_operator.get(form_url(instance)).content.decode()
    assert "<script>alert" not in html
    assert "</textarea><b>" not in html


def test_opening_costs_a_fixed_number_of_queries(
    as_operator: Client,
    instance: Instance,
    edit: Edit,
    django_assert_max_num_queries: Any,
) -> None:
    # The last: the row anew, after the edits under way.
    with django_assert_max_num_queries(8):
        as_operator.get(form_url(instance))


def test_it_names_which_instance_exactly(
    as_operator: Client, instance: Instance
) -> None:
    Instance.objects.update(run_started_at=datetime(2026, 3, 1, 8, tzinfo=UTC))
    html = as_operator.get(form_url(instance)).content.decode()
    for word in (instance.cloud.name, instance.instance_id, instance.flavor):
        assert word in html
    assert instance.owner_name in html
    assert "running since <time" in html


def test_a_filtered_list_is_where_save_and_cancel_lead_back_to(
    as_operator: Client, instance: Instance
) -> None:
    came_from = "/instances/?q=churn&amp;status=RUNNING"
    referer = {"Referer": "http://testserver/instances/?q=churn&status=RUNNING"}
    html = as_operator.get(form_url(instance), headers=referer).content.decode()
    assert f'<a class="button quiet" href="{came_from}"' in html
    posted = form_fields(
        instance, description="new", back=unescape(hidden(html, "back"))
    )
    answer = as_operator.post(form_url(instance), posted)
    assert answer["Location"] == unescape(came_from)
    # There a banner follows the change; it does not claim that it has arrived.
    page = as_operator.get(answer["Location"]).content.decode()
    assert f'id="submitted-{latest().pk}"' in page
    assert "Saving…" in page


@pytest.mark.parametrize(
    "back",
    [
        *("https://evil.example/", "//evil.example/", "/\\evil.example"),
        *(
            "javascript:alert(1)",
            "/no/such/page",
            "/accounts/logout/",
            "",
            "instances/",
        ),
    ],
)
def test_nobody_is_led_elsewhere_after_saving(
    as_operator: Client, instance: Instance, back: str
) -> None:
    posted = form_fields(instance, description="new", back=back)
    answer = as_operator.post(form_url(instance), posted)
    assert answer["Location"] == instance.get_absolute_url()


def test_the_banner_turns_from_waiting_to_the_outcome(
    as_operator: Client, edit: Edit
) -> None:
    url = reverse("edits:banner", args=[edit.pk])
    html = as_operator.get(url, headers=HTMX).content.decode()
    assert "Saving…" in html
    assert f'hx-get="{url}"' in html
    finish(edit, "failed", error_code="ModelArts.6347", error_message="sold out")
    html = as_operator.get(url, headers=HTMX).content.decode()
    assert "Saving…" not in html
    assert "hx-get" not in html
    assert "ModelArts.6347" in html
    assert "sold out" in html
    assert "Retry" in html
    assert str(edit.instance.cloud) in html


def test_what_can_no_longer_be_edited_keeps_the_typed_text_for_htmx(
    as_operator: Client, instance: Instance
) -> None:
    posted = form_fields(instance, description="typed")
    Instance.objects.update(missing_since=datetime.now(UTC))
    answer = as_operator.post(form_url(instance), posted, headers=HTMX)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "no longer lists this instance" in html
    assert "typed</textarea>" in html


def test_the_instance_s_page_tells_why_a_change_failed_and_offers_to_try_again(
    as_operator: Client, edit: Edit
) -> None:
    finish(edit, "failed", error_code="ModelArts.6347", error_message="sold out")
    Edit.objects.update(finished_at=timezone.now())
    html = as_operator.get(edit.instance.get_absolute_url()).content.decode()
    outcome = html.partition('id="outcome"')[2].partition('id="notices"')[0]
    assert "ModelArts.6347" in outcome
    assert "sold out" in outcome
    assert f'action="{reverse("edits:retry", args=[edit.pk])}"' in outcome
    as_operator.post(reverse("edits:retry", args=[edit.pk]))
    assert latest().retry_of == edit


def test_who_may_only_look_is_offered_no_retry(
    client: Client, viewer: User, edit: Edit
) -> None:
    finish(edit, "failed")
    Edit.objects.update(finished_at=timezone.now())
    client.force_login(viewer)
    html = client.get(edit.instance.get_absolute_url()).content.decode()
    assert reverse("edits:retry", args=[edit.pk]) not in html
