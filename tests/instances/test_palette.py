"""What the command palette finds for whom."""

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.instances.models import Cloud
from tests.factories import make_instance, make_notebook

URL = reverse("instances:palette")


def found(client: Client, text: str) -> dict[str, str]:
    """Addresses by the words of their options."""
    page = client.get(URL, {"q": text}).text
    options = re.findall(r'role="option".*?href="([^"]*)"\s*>(.*?)</a>', page, re.S)
    return {
        unescape(" ".join(re.sub(r"<[^>]+>", " ", label).split())): unescape(href)
        for href, label in options
    }


@pytest.mark.usefixtures("cloud_row")
def test_words_find_instances_and_pages(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    other = make_instance(
        name="other", description="Trains for tom", owner_name="li.wei"
    )
    train = make_instance(name="train <b>", owner_name="tom.becker")
    options = found(client, "  train ")
    assert next(iter(options)).startswith("train")
    assert options == {
        "train <b> tom.becker · Running": train.get_absolute_url(),
        "other li.wei · Running": other.get_absolute_url(),
        "Search in the list": "/instances/?q=train",
    }
    assert "other li.wei · Running" in found(client, "  tom   train ")
    assert "<b> " not in client.get(URL, {"q": "train"}).text
    assert found(client, "stopping") == {"Stopping soon": "/due/"}
    assert "Nothing found" in client.get(URL, {"q": "no such thing"}).text
    # PostgreSQL refuses to compare with a NUL.
    assert found(client, "a\0b") == {}


@pytest.mark.usefixtures("cloud_row")
def test_only_what_the_person_may_do_is_offered(
    client: Client, viewer: User, operator: User, admin: User
) -> None:
    runs = make_notebook(name="lab-runs", stops_in=3600)
    stopped = make_instance(name="lab-stopped", status="STOPPED")
    client.force_login(viewer)
    assert not [option for option in found(client, "stop lab") if "Stop lab" in option]
    pages = found(client, "")
    assert not {"Start a handover", "People", "Add person", "Create policy"} & {*pages}
    client.force_login(operator)
    stop = found(client, "stop lab")
    assert stop["Stop lab-runs anna.schmidt"] == f"{runs.get_absolute_url()}stop/"
    assert not [option for option in stop if option.startswith("Stop lab-stopped")]
    both = found(client, "st lab")
    assert "Stop lab-runs anna.schmidt" in both
    start = f"{stopped.get_absolute_url()}start/"
    assert both["Start lab-stopped anna.schmidt"] == start
    assert "Start a handover" in found(client, "")
    client.force_login(admin)
    assert {"People", "Add person", "Create policy"} <= {*found(client, "")}


def test_a_person_s_language_names_what_to_do(
    client: Client, operator: User, cloud_row: Cloud
) -> None:
    make_instance(name="lab", cloud=cloud_row)
    client.force_login(operator)
    client.cookies["curfew_language"] = "de"
    for verb in ("bearbeiten", "edit"):
        assert "Bearbeiten lab anna.schmidt" in found(client, f"{verb} lab")
