"""The page of the clouds: what each serves and holds."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.instances import messages
from dashboard.instances.models import Cloud
from tests.factories import make_cloud, make_instance, make_notebook

from .pages import one_line

URL = reverse("instances:clouds")
BOTH = {"demanager": "served", "notebooks": "served"}


@pytest.fixture
def as_viewer(client: Client, viewer: User) -> Client:
    client.force_login(viewer)
    return client


def cells(page: str) -> dict[str, str]:
    """The texts of the cells about the generations of one cloud."""
    found = re.findall(r'data-generation="(\w+)"[^>]*>(.*?)</td>', page, re.DOTALL)
    return {key: " ".join(re.sub("<[^>]+>", " ", text).split()) for key, text in found}


def test_it_shows_what_a_cloud_holds_and_allows(as_viewer: Client) -> None:
    cloud = make_cloud(
        generations=BOTH, notebooks_scope="all", max_run_hours=72, has_tags=True
    )
    make_instance(cloud=cloud)
    make_notebook(cloud=cloud)
    make_notebook(cloud=cloud)
    make_notebook(cloud=cloud, missing_since=cloud.refreshed_at)
    page = one_line(as_viewer.get(URL).text)
    assert cells(page) == {
        "demanager": "1 instance",
        "notebooks": "2 instances everyone's notebooks".replace("'", "&#x27;"),
    }
    assert "?cloud=demo&amp;generation=notebooks" in page
    assert "72 h" in page
    assert ">tags<" in page


def test_not_served_is_no_empty_fleet(as_viewer: Client) -> None:
    cloud = make_cloud(generations=BOTH | {"demanager": "not_served"})
    make_notebook(cloud=cloud)
    assert cells(as_viewer.get(URL).text)["demanager"] == "not served"
    lost = messages.GENERATION_LOST(
        generation="demanager", count=1, key="modelarts_generations", rest="notebooks"
    )
    Cloud.objects.update(problem=lost)
    make_instance(cloud=cloud)
    page = as_viewer.get(URL).text
    assert cells(page)["demanager"] == "1 instance not served"
    assert "no longer serves the API “demanager” here" in page


def test_a_cloud_that_was_never_asked_says_nothing(as_viewer: Client) -> None:
    make_cloud()
    assert cells(as_viewer.get(URL).text) == dict.fromkeys(BOTH, "\N{EN DASH}")


def test_missing_rights_are_named(as_viewer: Client) -> None:
    make_cloud(generations=BOTH, notebooks_scope="own")
    page = one_line(as_viewer.get(URL).text)
    assert "give this account administrator rights in ModelArts" in page
    assert "only the account" in cells(page)["notebooks"]
    listed = one_line(as_viewer.get(reverse("instances:list")).text)
    assert "own account, so the counts are incomplete" in listed


def test_with_rights_the_list_says_nothing_about_them(as_viewer: Client) -> None:
    make_cloud(generations=BOTH, notebooks_scope="all")
    assert "administrator rights" not in as_viewer.get(reverse("instances:list")).text


def test_a_retired_cloud_is_not_shown(as_viewer: Client) -> None:
    retired = make_cloud("gone")
    Cloud.objects.filter(pk=retired.pk).update(retired_at=retired.refreshed_at)
    page = as_viewer.get(URL).text
    assert "No clouds yet" in page


def test_the_list_leads_to_it(as_viewer: Client) -> None:
    make_cloud()
    assert f'href="{URL}"' in as_viewer.get(reverse("instances:list")).text
