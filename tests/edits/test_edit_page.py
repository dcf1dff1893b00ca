"""The page of an edit: its progress, and cancelling it."""

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Attempt, Edit
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import verbatim

from .conftest import HTMX, finish

State = Edit.State


def address(name: str, edit: Edit) -> str:
    return reverse(f"edits:{name}", args=[edit.pk])


def text(as_operator: Client, edit: Edit) -> str:
    return as_operator.get(address("detail", edit)).content.decode()


def test_it_says_what_was_asked_and_by_whom(as_operator: Client, edit: Edit) -> None:
    html = text(as_operator, edit)
    assert "Churn model, second try" in html
    assert "Third try" in html
    assert "<bdi>operator</bdi>" in html
    assert "It will be sent in a few seconds" in html
    assert "No attempts yet." in html
    assert f'data-edit="{edit.pk}" data-state="queued"' in html


@pytest.mark.parametrize("state", State.values)
def test_every_state_has_its_sentence(
    as_operator: Client, edit: Edit, state: str
) -> None:
    finish(edit, state)
    assert f'data-state="{state}"' in text(as_operator, edit)


def test_an_applied_one_shows_what_the_cloud_holds(
    as_operator: Client, edit: Edit
) -> None:
    finish(edit, State.APPLIED, result={"description": "as read back"})
    html = text(as_operator, edit)
    assert "Confirmed value" in html
    assert "as read back" in html


@pytest.mark.parametrize("state", [State.FAILED, State.CONFLICT])
def test_one_that_was_refused_says_why_and_offers_a_way_on(
    as_operator: Client, instance: Instance, edit: Edit, state: str
) -> None:
    Instance.objects.update(description="theirs")
    finish(
        edit,
        state,
        message=verbatim("The instance is frozen."),
        error_code="ModelArts.6326",
        error_message="<b>frozen</b>",
    )
    html = text(as_operator, edit)
    for words in (
        "The instance is frozen.",
        "ModelArts.6326",
        "&lt;b&gt;frozen",
        "Current value in ModelArts",
        "theirs",
        "Retry" if state == State.FAILED else "Overwrite with mine",
    ):
        assert words in html
    answer = as_operator.post(address("retry", edit))
    again = Edit.objects.get(retry_of=edit)
    assert answer.status_code == 303
    assert answer["Location"] == again.get_absolute_url()
    assert again.base == {"description": "theirs"}


def test_an_auto_stop_change_of_a_running_one_waits_for_the_next_start(
    as_operator: Client, instance: Instance, edit: Edit
) -> None:
    finish(
        edit,
        State.APPLIED,
        patch={"auto_stop_enable": True},
        applied_while_running=True,
    )
    html = text(as_operator, edit)
    assert "Applied, from the next start" in html
    assert "The new auto-stop applies from the next start" in html


def test_attempts_are_told_with_what_support_asks_for(
    as_operator: Client, instance: Instance, edit: Edit
) -> None:
    attempt = Attempt.objects.create(
        instance=instance,
        number=1,
        outcome="retrying",
        ambiguous=True,
        http_status=503,
        error_code="APIG.0613",
        request_id="req-123",
        sent_at=timezone.now(),
        finished_at=timezone.now(),
    )
    attempt.edits.add(edit)
    html = text(as_operator, edit)
    for words in ("Failed, will retry", "HTTP 503", "APIG.0613", "req-123"):
        assert words in html


class TestProgress:
    """The live part of the page."""

    def test_nothing_new_is_no_content(self, as_operator: Client, edit: Edit) -> None:
        layout = as_operator.get(address("detail", edit)).context["layout"]
        url = f"{address('progress', edit)}?layout={layout}"
        assert as_operator.get(url, headers=HTMX).status_code == 204

    def test_a_new_state_is_sent_and_the_polling_ends(
        self, as_operator: Client, edit: Edit
    ) -> None:
        assert 'id="poller"' in text(as_operator, edit)
        layout = as_operator.get(address("detail", edit)).context["layout"]
        finish(edit, State.APPLIED)
        url = f"{address('progress', edit)}?layout={layout}"
        html = as_operator.get(url, headers=HTMX).content.decode()
        assert 'data-state="applied"' in html
        assert "<html" not in html
        assert 'id="poller"' not in html

    def test_an_attempt_that_ended_is_news(
        self, as_operator: Client, instance: Instance, edit: Edit
    ) -> None:
        layout = as_operator.get(address("detail", edit)).context["layout"]
        attempt = Attempt.objects.create(
            instance=instance, number=1, outcome="retrying", finished_at=timezone.now()
        )
        attempt.edits.add(edit)
        url = f"{address('progress', edit)}?layout={layout}"
        assert as_operator.get(url, headers=HTMX).status_code == 200


def test_it_can_be_taken_back_while_it_waits(as_operator: Client, edit: Edit) -> None:
    assert "Cancel change" in text(as_operator, edit)
    answer = as_operator.post(address("cancel", edit), follow=True)
    edit.refresh_from_db()
    assert edit.state == State.CANCELLED
    assert "Nothing was sent to ModelArts." in answer.content.decode()


def test_too_late_is_said(as_operator: Client, edit: Edit) -> None:
    finish(edit, State.APPLIED)
    assert "Cancel change" not in text(as_operator, edit)
    answer = as_operator.post(address("cancel", edit), follow=True)
    assert "It is too late to cancel this change." in answer.content.decode()
    answer = as_operator.post(address("retry", edit), follow=True)
    assert "Only a change that failed can be retried." in answer.content.decode()
    assert Edit.objects.count() == 1


@pytest.mark.parametrize("person", ["viewer", "stranger"])
def test_who_may_not_change_the_instance_may_only_look(
    client: Client, edit: Edit, person: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(person))
    assert "Cancel change" not in text(client, edit)
    assert client.post(address("cancel", edit)).status_code == 403
    finish(edit, State.FAILED)
    assert "Retry" not in text(client, edit)
    assert client.post(address("retry", edit)).status_code == 403
    edit.refresh_from_db()
    assert edit.state == State.FAILED
    assert Edit.objects.count() == 1


@pytest.mark.parametrize("name", ["detail", "progress", "retry", "cancel", "discard"])
def test_sign_in_unknown_and_wrong_method(
    client: Client, edit: Edit, operator: User, name: str
) -> None:
    looks = name in {"detail", "progress"}
    right, wrong = ("get", "post") if looks else ("post", "get")
    url = address(name, edit)
    assert getattr(client, right)(url).status_code == 302
    assert "login" in getattr(client, right)(url, headers=HTMX)["HX-Redirect"]
    client.force_login(operator)
    assert getattr(client, wrong)(url).status_code == 405
    unknown = reverse(f"edits:{name}", args=[uuid.uuid4()])
    assert getattr(client, right)(unknown).status_code == 404


def test_the_number_of_queries_does_not_grow(
    as_operator: Client,
    instance: Instance,
    edit: Edit,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(1, 6):
        Attempt.objects.create(instance=instance, number=number).edits.add(edit)
    with django_assert_max_num_queries(6):
        as_operator.get(address("detail", edit))
