"""HTML that everyone shares, but for the token of its forms."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from dashboard.accounts.models import User
from dashboard.web.shared_html import SharedHtml
from tests.factories import make_instance

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared() -> SharedHtml:
    return SharedHtml("saved/_display.html")


def shown(shared: SharedHtml, key: object, **context: Any) -> str:
    return shared.render(key, context)


def test_it_is_rendered_once_for_each_key(shared: SharedHtml) -> None:
    first = shown(shared, 1, query="q=a")
    assert 'value="q=a"' in first
    assert 'value="q=a"' in shown(shared, 1, query="q=b")
    assert 'value="q=b"' in shown(shared, 2, query="q=b")


def test_each_language_has_its_own(shared: SharedHtml) -> None:
    assert "Columns" in shown(shared, 1)
    with translation.override("de"):
        assert "Spalten" in shown(shared, 1)


def test_each_person_sends_the_forms_of_the_list_with_their_own_token(
    operator: User, admin: User
) -> None:
    make_instance()
    tokens: list[str] = []
    for user in (operator, admin):
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        page = client.get("/instances/").text
        forms = re.findall(r'<form[^>]* action="([^"]+)".*?</form>', page, re.DOTALL)
        assert {"/views/display/", "/bulk/"} <= {*forms}
        found = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert len({*found}) == 1
        tokens += {*found}
        data = {"density": "compact", "csrfmiddlewaretoken": found[0]}
        assert client.post("/views/display/", data).status_code == 302
    assert tokens[0] != tokens[1]


@pytest.mark.parametrize(
    ("role", "number"),
    [("viewer", 0), ("manager", 0), ("scientist", 1), ("operator", 1)],
)
def test_the_bar_for_bulk_changes_is_for_those_who_may_create_them(
    client: Client, role: str, number: int
) -> None:
    make_instance()
    client.force_login(User.objects.create_user("kim", role=role))
    page = client.get("/instances/").text
    assert page.count('id="bulk"') == page.count('id="pick-page"') == number
