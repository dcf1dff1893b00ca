"""Questions whether runs are still needed, by mail and chat, and their signed links."""

import re

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.logs import scrubbed
from dashboard.policies.models import Question, Rule
from dashboard.reminders import planning
from dashboard.reminders.models import Preferences, Reminder
from dashboard.reminders.notification import write_notification
from tests.factories import make_notebook
from tests.policies.conftest import make_question, make_rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def question(scientist: User) -> Question:
    """An open question for anna, who is notified by mail and on the page."""
    scientist.email = "anna@example.org"
    scientist.save()
    Preferences.objects.create(user=scientist, by_mail=True)
    rule = make_rule(
        kind=Rule.Kind.STILL_NEEDED,
        max_seconds=3600,
        answer_seconds=3600,
        again_seconds=3600,
        acts=True,
    )
    question = make_question(rule, make_notebook(owner_name="anna.schmidt"))
    planning.plan()
    question.refresh_from_db()
    return question


def links(person: User) -> dict[str, str]:
    """Return the paths of the two links in the mail of a person."""
    reminder = Reminder.objects.select_related("instance__cloud", "question__rule").get(
        person=person, medium="mail"
    )
    now = timezone.now()
    text = write_notification(reminder, zone=now.tzinfo, now=now).text  # type: ignore[arg-type]
    pattern = r"^(Yes|Stop).*: https?://[^/]+(/reminders/answer/\S+)$"
    return dict(re.findall(pattern, text, re.M))


@pytest.fixture(autouse=True)
def _mail(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.reminders.recipients.may_mail", lambda person: True)


def test_each_owner_is_told_once(question: Question, scientist: User) -> None:
    assert question.announced_at
    planning.plan()
    reminders = Reminder.objects.filter(kind="question", person=scientist)
    assert sorted(reminders.values_list("medium", flat=True)) == ["mail", "page"]
    assert set(links(scientist)) == {"Yes", "Stop"}
    assert not mail.outbox


def test_a_link_in_a_mail_does_nothing_before_a_button_is_pressed(
    client: Client, question: Question, scientist: User
) -> None:
    path = links(scientist)["Stop"]
    for method in (client.get, client.head, client.get):
        assert method(path).status_code == 200
    page = client.get(path)
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page["Cache-Control"]
    question.refresh_from_db()
    assert question.state == "asked"
    assert client.post(path, {"answer": "stop"}).status_code == 200
    assert Edit.objects.get().actor == scientist
    dead = client.post(path, {"answer": "yes"})
    assert dead.status_code == 410
    assert "has already answered" in dead.content.decode()
    assert Edit.objects.count() == 1


def test_a_yes_needs_no_sign_in(
    client: Client, question: Question, scientist: User
) -> None:
    answer = client.post(links(scientist)["Yes"], {"answer": "yes"})
    assert "The run goes on." in answer.content.decode()
    question.refresh_from_db()
    assert (question.state, question.answered_by) == ("kept", scientist)
    assert not client.session.keys()


def test_a_link_ends_with_the_deadline_the_mapping_and_the_account(
    client: Client, question: Question, scientist: User
) -> None:
    path = links(scientist)["Stop"]
    assert client.get(f"{path[:-3]}/").status_code == 404
    assert client.post(path, {"answer": "both"}).status_code == 400
    Instance.objects.update(owner_name="li.wei", owner_id="l")
    assert client.post(path, {"answer": "stop"}).status_code == 403
    Instance.objects.update(owner_name="anna.schmidt")
    scientist.is_active = False
    scientist.save()
    assert client.post(path, {"answer": "stop"}).status_code == 403
    scientist.is_active = True
    scientist.save()
    Question.objects.update(deadline=timezone.now())
    assert client.post(path, {"answer": "stop"}).status_code == 410
    assert client.get(path).status_code == 410
    assert not Edit.objects.exists()


def test_an_answered_question_is_no_longer_open_in_the_inbox(
    client: Client, question: Question, scientist: User
) -> None:
    client.force_login(scientist)
    text = client.get("/reminders/").content.decode()
    assert f"Is {question.instance.name} still needed?" in text
    assert f"/questions/{question.pk}/" in text
    client.post(f"/questions/{question.pk}/", {"answer": "yes"})
    planning.plan()
    page = Reminder.objects.get(person=scientist, medium="page")
    assert page.state == "cancelled"


def test_logs_have_no_link(question: Question, scientist: User) -> None:
    path = links(scientist)["Yes"]
    text = scrubbed(f'"GET {path} HTTP/1.1" 200')
    assert text == '"GET /reminders/answer/[redacted]/ HTTP/1.1" 200'
