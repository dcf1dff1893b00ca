"""Names of clouds and ids of instances as parts of an address."""

from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import Resolver404, resolve, reverse

from dashboard.cli.client import path_of
from tests import factories

ODD = [
    "otc/prod",
    "..",
    ".",
    "",
    "a b",
    "x?y#z",
    "ü~2F",
    "%2F",
    "line\nbreak",
    "\\",
    "~",
]


@pytest.mark.parametrize("name", ODD)
def test_any_name_leads_back_to_itself(name: str) -> None:
    address = reverse("instances:detail", args=[name, name or "DE-1"])
    # As a server hands it on: percent signs are undone.
    assert resolve(unquote(address)).kwargs == {
        "cloud": name,
        "instance_id": name or "DE-1",
    }


def test_ordinary_names_stay_readable() -> None:
    address = reverse("instances:detail", args=["otc-eu_de.1", "DE-0000"])
    assert address == "/instances/otc-eu_de.1/DE-0000/"


@pytest.mark.parametrize("name", ["a\0b", "lone\ud800"])
def test_what_no_database_holds_has_an_address_and_no_page(name: str) -> None:
    address = reverse("instances:detail", args=["demo", name])
    with pytest.raises(Resolver404):
        resolve(unquote(address))


@pytest.mark.parametrize("name", [name for name in ODD if name])
def test_the_command_line_writes_them_alike(name: str) -> None:
    address = reverse("api:get_instance", args=[name, "DE-1"])
    assert unquote(path_of(name, "DE-1")) == unquote(address.removeprefix("/api/v1"))


@pytest.mark.parametrize("name", [name for name in ODD if name])
def test_pages_show_a_cloud_and_an_instance_of_any_name(
    client: Client, operator: object, name: str
) -> None:
    client.force_login(operator)  # type: ignore[arg-type]
    cloud = factories.make_cloud(name)
    instance = factories.make_instance(cloud=cloud, instance_id=name, stops_in=600)
    for address in ("/instances/", "/due/", instance.get_absolute_url()):
        assert client.get(address).status_code == 200, address
    for action in ("edits:edit", "edits:stop"):
        address = reverse(action, args=[name, name])
        assert client.get(address).status_code == 200, address
