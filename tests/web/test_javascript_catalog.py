"""Messages for scripts: which pages load them, and how long browsers keep them."""

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.handover import wallboard_services
from dashboard.instances.models import Instance
from dashboard.web.release import release_mark

GERMAN = {"accept-language": "de"}


def catalog(language: str = "de", release: str = "") -> str:
    return reverse("javascript_catalog", args=[language, release or release_mark()])


@pytest.fixture
def german(client: Client, viewer: User, instance: Instance) -> Client:
    viewer.language = "de"
    viewer.save(update_fields=["language"])
    client.force_login(viewer)
    return client


def test_it_has_the_messages_of_a_language(client: Client, db: None) -> None:
    answer = client.get(catalog())
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert "Wieder verbunden." in answer.text


def test_the_address_decides_the_language(german: Client) -> None:
    assert "Wieder verbunden." not in german.get(catalog("en")).text


def test_browsers_keep_it_for_as_long_as_the_release(client: Client, db: None) -> None:
    kept = client.get(catalog()).headers["Cache-Control"]
    assert "immutable" in kept
    assert "public" in kept
    other = client.get(catalog(release="0123456789ab")).headers["Cache-Control"]
    assert "no-store" in other


def test_there_is_none_in_an_unknown_language(client: Client, db: None) -> None:
    assert client.get(catalog("xx")).status_code == 404


def test_a_german_page_loads_it_before_its_scripts(german: Client) -> None:
    page = german.get(reverse("instances:list")).text
    assert page.index(f'<script src="{catalog()}" defer>') < page.index("polling")


def test_an_english_page_loads_none(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    assert "/messages/" not in client.get(reverse("instances:list")).text


def test_the_sign_in_page_a_wall_and_an_error_load_it(
    client: Client, operator: User
) -> None:
    wall = wallboard_services.make(actor=operator, name="Control room")
    for path in (
        reverse("account_login"),
        reverse("handover:wall", args=[wallboard_services.token(wall)]),
        "/no-such-page/",
    ):
        assert catalog() in client.get(path, headers=GERMAN).text
    with translation.override("de"):
        assert catalog() in render_to_string("500.html")


def test_who_must_choose_a_password_first_gets_it(german: Client) -> None:
    User.objects.update(one_time_until=timezone.now())
    assert german.get(catalog()).status_code == 200
