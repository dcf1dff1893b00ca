"""What the list says of the mirror: never read, failing, of some age."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.instances.models import Cloud
from dashboard.web.stored_messages import verbatim
from tests.factories import make_cloud

from .pages import one_line

URL = reverse("instances:list")


def test_first_run_says_what_to_do(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    page = client.get(URL).text
    assert "No cloud connected" in page
    # The scripts of the page look for it.
    assert '<dialog id="sheet"' in page
    assert "clouds.yaml" in page
    assert "layout=nothing" in page


def test_first_run_shows_why_the_first_reading_failed(
    client: Client, viewer: User
) -> None:
    make_cloud(refreshed_at=None, problem=verbatim("The password was refused."))
    client.force_login(viewer)
    page = client.get(URL).text
    assert "No cloud connected" in page
    assert "The password was refused." in page


def test_an_empty_cloud_is_not_a_first_run(
    client: Client, viewer: User, cloud_row: Cloud
) -> None:
    client.force_login(viewer)
    page = client.get(URL).text
    assert "No instances yet" in page
    assert "No matching instances" not in page


@pytest.mark.parametrize(
    ("seconds", "age"), [(20, "fresh"), (100, "old"), (400, "stale")]
)
def test_the_mirror_s_age_is_shown(
    client: Client, viewer: User, seconds: int, age: str
) -> None:
    make_cloud(refreshed_at=datetime.now(UTC) - timedelta(seconds=seconds))
    client.force_login(viewer)
    assert f'data-age="{age}"' in client.get(URL).text


def test_the_failing_cloud_is_named_and_the_oldest_counts(
    client: Client, viewer: User
) -> None:
    make_cloud("good")
    make_cloud(
        "lab",
        refreshed_at=datetime.now(UTC) - timedelta(hours=1),
        problem=verbatim("No answer."),
    )
    client.force_login(viewer)
    page = one_line(client.get(URL).text)
    assert "Updated 1 h ago" in page
    assert "<bdi>lab</bdi>: </strong> No answer." in page
    assert "<bdi>good</bdi>" not in page
