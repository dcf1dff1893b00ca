"""No write without its token, none from another site, none by GET, none too large."""

import re
from collections.abc import Mapping

import pytest
from django.conf import settings
from django.test import Client

from dashboard.accounts.models import User
from dashboard.edits.models import Edit

from .routes import RULES

pytestmark = pytest.mark.usefixtures("_empty_cache")

SENT_BY_MAIL_PROGRAMS = "digests:off"
"""Without cookies and token (RFC 8058): the signed address allows only this."""

WRITES = [
    name
    for name, rule in RULES.items()
    if rule.post["operator"] not in (403, 405) and name != SENT_BY_MAIL_PROGRAMS
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


@pytest.mark.parametrize("name", WRITES)
def test_every_write_wants_its_token(
    strict: Client, paths: Mapping[str, str], name: str
) -> None:
    wrong = {"X-CSRFToken": "x" * 64}
    if name == "home":
        return  # redirects whatever comes
    good = {"X-CSRFToken": token(strict)}
    for headers in ({}, {"HX-Request": "true"}):
        assert strict.post(paths[name], headers=headers).status_code == 403
        assert strict.post(paths[name], headers=headers | wrong).status_code == 403
    assert strict.post(paths[name], headers=good).status_code != 403


def test_a_mail_program_needs_no_token(paths: Mapping[str, str]) -> None:
    elsewhere = Client(enforce_csrf_checks=True)
    assert elsewhere.post(paths[SENT_BY_MAIL_PROGRAMS]).status_code == 200


@pytest.mark.parametrize("name", WRITES)
def test_a_good_token_does_not_help_another_site(
    strict: Client, paths: Mapping[str, str], name: str
) -> None:
    good = {"X-CSRFToken": token(strict)}
    for site in ("cross-site", "same-site"):
        refused = strict.post(paths[name], headers=good | {"Sec-Fetch-Site": site})
        assert refused.status_code == 403, site
    assert list(Edit.objects.values_list("state", flat=True)) == ["failed"]
    ours = good | {"Sec-Fetch-Site": "same-origin"}
    assert strict.post(paths[name], headers=ours).status_code != 403


@pytest.mark.parametrize("name", ["edits:retry", "edits:cancel", "edits:discard"])
def test_a_link_writes_nothing(
    strict: Client, paths: Mapping[str, str], name: str
) -> None:
    assert strict.get(paths[name]).status_code == 405


def test_other_methods_are_refused(
    client: Client, operator: User, paths: Mapping[str, str]
) -> None:
    client.force_login(operator)
    answered = {
        (name, method): getattr(client, method)(paths[name]).status_code
        for name in RULES
        if name != "home"
        for method in ("put", "patch", "delete", "trace")
    }
    assert {
        key for key, status in answered.items() if status not in {403, 405}
    } == set()


def test_a_body_beyond_the_limit_is_refused(
    client: Client, operator: User, paths: Mapping[str, str]
) -> None:
    client.force_login(operator)
    form = "application/x-www-form-urlencoded"
    body = "description=" + "x" * 10_000_000
    status = client.post(paths["edits:edit"], body, content_type=form).status_code
    assert status in {400, 413}
    fields = {f"f{number}": "x" for number in range(2_000)}
    assert client.post(paths["edits:edit"], fields).status_code == 400
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE <= 64 * 1024
