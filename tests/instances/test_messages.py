"""Messages of clouds and instances: stored as codes, read in the reader's language."""

import re

import pytest
from django.test import Client
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.instances import availability
from dashboard.instances.messages import REFRESH_INTERRUPTED, message_of
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts.errors import NotSentError
from dashboard.modelarts.messages import Problem
from dashboard.web.stored_messages import Message
from tests.factories import make_cloud


@pytest.mark.parametrize("problem", Problem)
def test_every_message_of_the_client_is_german_for_germans(
    problem: Problem,
) -> None:
    names = re.findall(r"%\((\w+)\)s", problem.value)
    message = Message(problem.code, {name: f"<{name}>" for name in names})
    english = str(message)
    with translation.override("de"):
        german = str(message)
    assert all(f"<{name}>" in german for name in names)
    assert german != english or not re.search("[a-z]{3} [a-z]{3}", english)


def test_an_error_becomes_the_same_message_with_its_values() -> None:
    error = NotSentError(Problem.UNTRUSTED, {"verify_message": "expired"})
    assert str(message_of(error)) == error.sentence
    with translation.override("de"):
        assert "nicht vertrauenswürdig (expired)" in str(message_of(error))


@pytest.mark.django_db
def test_a_problem_is_stored_as_a_code_and_found_by_it() -> None:
    problem = message_of(NotSentError(Problem.CONNECTION_REFUSED))
    cloud = make_cloud(problem=problem)
    assert Cloud.objects.get(problem=problem) == cloud
    assert not Cloud.objects.filter(problem=REFRESH_INTERRUPTED()).exists()
    assert Cloud.objects.values_list("problem", flat=True).get() == problem


@pytest.mark.django_db
def test_a_reader_of_german_reads_why_a_cloud_is_not_read(
    client: Client, viewer: User
) -> None:
    make_cloud(problem=REFRESH_INTERRUPTED(), problem_since=timezone.now())
    viewer.language = "de"
    viewer.save()
    client.force_login(viewer)
    with translation.override("de"):
        german = str(REFRESH_INTERRUPTED())
    assert german in client.get("/instances/").text


def test_why_an_instance_cannot_be_started_names_the_status_for_the_reader() -> None:
    instance = Instance(cloud=Cloud(name="demo"), instance_id="1", status="STOPPING")
    why_not = availability.why_not_startable(instance)
    assert "“Stopping”" in str(why_not)
    with translation.override("de"):
        assert "„Stoppt“" in str(why_not)


def test_a_status_that_is_not_known_is_named_as_it_is() -> None:
    instance = Instance(cloud=Cloud(name="demo"), instance_id="1", status="MELTING")
    assert "“MELTING”" in str(availability.why_not_stoppable(instance))
