"""No write without its token, none from another site, none by GET, none too large."""

import re

import pytest
from django.conf import settings
from django.test import Client

from dashboard.accounts.models import User
from dashboard.edits.models import Edit

from .routes import RULES

pytestmark = pytest.mark.usefixtures("_empty_cache")

WRITES = [
    name for name, rule in RULES.items() if rule.post["operator"] not in (403, 405)
]


@pytest.fixture
def strict(operator: User) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    return client


def token(client: Client) -> str:
    found = re.search(r'"X-CSRFToken": "(\w+)"', client.get("/instances/").text)
    assert found
    return found[1]


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
@pytest.mark.parametrize("name", WRITES)
def test_every_write_wants_its_token(
    strict: Client, paths: dict[str, str], name: str, headers: dict[str, str]
) -> None:
    wrong = {"X-CSRFToken": "x" * 64}
    if name == "home":
        return  # redirects whatever comes
    assert strict.post(paths[name], headers=headers).status_code == 403
    assert strict.post(paths[name], headers=headers | wrong).status_code == 403
    good = headers | {"X-CSRFToken": token(strict)}
    assert strict.post(paths[name], headers=good).status_code != 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("name", WRITES)
def test_a_good_token_does_not_help_another_site(
    strict: Client, paths: dict[str, str], name: str, site: str
) -> None:
    good = {"X-CSRFToken": token(strict)}
    refused = strict.post(paths[name], headers=good | {"Sec-Fetch-Site": site})
    assert refused.status_code == 403
    assert list(Edit.objects.values_list("state", flat=True)) == ["failed"]
    ours = good | {"Sec-Fetch-Site": "same-origin"}
    assert strict.post(paths[name], headers=ours).status_code != 403


@pytest.mark.parametrize("name", ["edits:retry", "edits:cancel", "edits:discard"])
def test_a_link_writes_nothing(
    strict: Client, paths: dict[str, str], name: str
) -> None:
    assert strict.get(paths[name]).status_code == 405


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
@pytest.mark.parametrize("name", [name for name in RULES if name != "home"])
def test_other_methods_are_refused(
    client: Client, operator: User, paths: dict[str, str], name: str, method: str
) -> None:
    client.force_login(operator)
    assert getattr(client, method)(paths[name]).status_code in {403, 405}


def test_a_body_beyond_the_limit_is_refused(
    client: Client, operator: User, paths: dict[str, str]
) -> None:
    client.force_login(operator)
    form = "application/x-www-form-urlencoded"
    body = "description=" + "x" * 10_000_000
    status = client.post(paths["edits:edit"], body, content_type=form).status_code
    assert status in {400, 413}
    fields = {f"f{number}": "x" for number in range(2_000)}
    assert client.post(paths["edits:edit"], fields).status_code == 400
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE <= 64 * 1024
