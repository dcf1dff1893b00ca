"""Where an instance is opened: only at hosts that are allowed, without credentials."""

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.open_notebook import open_link
from dashboard.modelarts.notebook_schemas import Notebook
from tests.factories import make_instance, make_notebook

PAGE = "https://authoring.example.com/936bea3e/lab"


@pytest.mark.parametrize(
    ("reported", "kept"),
    [
        (PAGE, PAGE),
        (f"{PAGE}?token=s3cret#s3cret", PAGE),
        (
            "https://me:s3cret@authoring.example.com:8443/x",
            "https://authoring.example.com:8443/x",
        ),
        ("http://authoring.example.com/x", None),
        ("https://authoring.example.com/x;token=s3cret", None),
        ("javascript:alert(1)", None),
        ("https://", None),
        ("https://[", None),
        ("", None),
    ],
)
def test_an_address_is_kept_without_what_may_be_secret(
    reported: str, kept: str | None
) -> None:
    document = {"id": "n", "url": reported, "token": "s3cret"}
    notebook = Notebook.model_validate(document).document()
    assert notebook.get("url") == kept
    assert "s3cret" not in str(notebook)


@pytest.mark.parametrize(
    ("hosts", "is_linked"),
    [
        (["authoring.example.com"], True),
        (["*.example.com"], True),
        (["example.com"], False),
        (["*.ring.example.com"], False),
        ([], False),
    ],
)
def test_only_an_allowed_host_of_a_running_notebook_is_linked(
    db: None, hosts: list[str], is_linked: bool
) -> None:
    notebook = make_notebook(document={"url": PAGE})
    notebook.cloud.notebook_hosts = hosts
    link = open_link(notebook)
    assert (link is not None) == is_linked
    notebook.status = "STOPPED"
    assert open_link(notebook) is None


def test_the_page_and_the_menu_open_it_for_those_who_may_change_it(
    client: Client, operator: User, viewer: User
) -> None:
    notebook = make_notebook(document={"url": PAGE})
    old = make_instance(cloud=notebook.cloud, document={"url": PAGE}, instance_id="a b")
    console = "https://console.example.com/{instance_id}"
    Cloud.objects.update(notebook_hosts=["*.example.com"], console_url=console)

    def pages(instance: Instance) -> str:
        key = [instance.cloud.name, instance.instance_id]
        urls = [reverse(f"instances:{name}", args=key) for name in ("detail", "menu")]
        return "".join(client.get(url).content.decode() for url in urls)

    client.force_login(operator)
    assert pages(notebook).count(f'href="{PAGE}" target="_blank" rel="noopener') == 2
    assert pages(old).count('href="https://console.example.com/a%20b"') == 2
    client.force_login(viewer)
    assert PAGE not in pages(notebook)
