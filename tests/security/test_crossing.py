"""Every route x every kind of person x every way to ask, generated from the URLconf."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpResponseBase
from django.test import Client
from pytest_django import DjangoDbBlocker

from dashboard.accounts.models import User
from dashboard.api.services import create_token
from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, Instance
from tests.conftest import make_person
from tests.factories import make_instance

from .conftest import addresses, make_edit
from .routes import (
    API,
    API_METHODS,
    PEOPLE,
    RULES,
    SIGN_IN,
    is_api,
    is_own_account,
    routes,
)

pytestmark = pytest.mark.usefixtures("_empty_cache")

HTMX = {"HX-Request": "true"}
WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "GET": ("get", {}),
    "HEAD": ("head", {}),
    "HX GET": ("get", HTMX),
    "POST": ("post", {}),
    "HX POST": ("post", HTMX),
}
WRITES = (
    *("edits:edit", "edits:start", "edits:stop"),
    *("edits:retry", "edits:cancel", "edits:discard"),
)
OUTSIDERS = {"anonymous", "deactivated", "viewer", "stranger", "manager"}


@pytest.fixture(scope="module")
def shared_paths(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, str]]:
    """The addresses of rows made once: each test undoes only what it has changed."""
    with (
        django_db_blocker.unblock(),
        pytest.MonkeyPatch.context() as patch,
        transaction.atomic(),
    ):
        patch.setattr(settings.CURFEW, "data_dir", tmp_path_factory.mktemp("data"))
        instance = make_instance()
        yield addresses(instance, make_edit(instance, make_person("admin")))
        transaction.set_rollback(True)


@pytest.fixture
def admin(shared_paths: Mapping[str, str], db: None) -> User:
    return User.objects.get(username="admin")


@pytest.fixture
def instance(shared_paths: Mapping[str, str], db: None) -> Instance:
    return Instance.objects.select_related("cloud").get()


@pytest.fixture
def paths(shared_paths: Mapping[str, str], db: None) -> Mapping[str, str]:
    # The mirror is as fresh for the last test as for the first.
    Cloud.objects.update(refreshed_at=Now())
    return shared_paths


def ours() -> set[str]:
    return {
        name for name, _ in routes() if not is_own_account(name) and not is_api(name)
    }


def api_routes() -> set[str]:
    return {name for name, _ in routes() if is_api(name)}


def test_every_route_has_its_line() -> None:
    missing = sorted((ours() - RULES.keys()) | (api_routes() - API.keys()))
    assert not missing, f"Say in tests/security/routes.py who gets what: {missing}"


def test_no_line_for_a_route_that_is_gone() -> None:
    assert RULES.keys() <= ours()
    assert API.keys() <= api_routes()


@pytest.mark.parametrize("person", PEOPLE, indirect=True)
@pytest.mark.parametrize("name", RULES)
def test_each_gets_what_is_theirs(
    client: Client, paths: Mapping[str, str], name: str, person: str
) -> None:
    rule = RULES[name]
    url = f"{paths[name]}?{rule.query}"
    for way, (method, headers) in WAYS.items():
        response = getattr(client, method)(url, headers=headers)
        response.close()  # gives the place of a download back
        expected = (rule.post if method == "post" else rule.get)[person]
        judge(response, expected, way)
    if person in OUTSIDERS:
        assert list(Edit.objects.values_list("state", flat=True)) == ["failed"]


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("name", API)
def test_each_token_gets_what_is_its_person_s(
    request: pytest.FixtureRequest, paths: Mapping[str, str], name: str, person: str
) -> None:
    headers = {}
    if person != "anonymous":
        who = request.getfixturevalue(person)
        _, secret = create_token(
            owner=who, name="all", scopes=["read", "write", "audit"], days=1
        )
        headers["Authorization"] = f"Bearer {secret}"
    for method in ("head", *API_METHODS):
        body = {} if method in {"head", "get"} else {"data": {}}
        response = getattr(Client(), method)(
            paths[name], content_type="application/json", headers=headers, **body
        )
        allowed = API[name].get("get" if method == "head" else method, {})
        judge(response, allowed.get(person, 405), method)
    if person in OUTSIDERS:
        assert list(Edit.objects.values_list("state", flat=True)) == ["failed"]


@pytest.mark.parametrize("person", PEOPLE, indirect=True)
@pytest.mark.parametrize("name", API)
def test_no_session_opens_the_api(
    client: Client, paths: Mapping[str, str], name: str, person: str
) -> None:
    for method in API_METHODS:
        expected = 401 if method in API[name] else 405
        assert getattr(client, method)(paths[name]).status_code == expected
    assert list(Edit.objects.values_list("state", flat=True)) == ["failed"]


def judge(response: HttpResponseBase, expected: Any, way: str) -> None:
    status = response.status_code
    htmx = way.startswith("HX")
    if expected == SIGN_IN:
        target = response.headers.get("HX-Redirect" if htmx else "Location", "")
        # A form with something typed is answered with a page that can send it again.
        assert status == (401 if htmx else 302), way
        assert target.startswith("/accounts/login/"), way
        return
    allowed = expected if isinstance(expected, tuple) else (expected,)
    if htmx and 303 in allowed:
        allowed = (*allowed, 200)  # the way on is in a header
    assert status in allowed, way
    if status in {301, 302, 303}:
        assert not response.headers["Location"].startswith("/accounts/login/"), way


@pytest.mark.parametrize("person", ["viewer", "admin"], indirect=True)
@pytest.mark.parametrize(
    "path",
    [
        "/instances/other-cloud/{id}/",
        "/instances/other-cloud/{id}/edit/",
        "/instances/other-cloud/{id}/changes?since=0",
        "/instances/demo/DE-not-there/",
        "/instances/demo/DE-not-there/edit/",
        "/instances/demo/..%2F..%2Fetc/",
        "/edits/00000000-0000-4000-8000-000000000000/",
        "/edits/00000000-0000-4000-8000-000000000000/progress?since=x",
    ],
)
def test_what_is_not_there_is_404_for_everybody(
    client: Client, person: str, instance: Instance, path: str
) -> None:
    assert client.get(path.format(id=instance.instance_id)).status_code == 404


@pytest.mark.parametrize("person", ["stranger"], indirect=True)
@pytest.mark.parametrize(
    "form",
    [
        {"owner": "tom.becker", "owner_id": "", "owner_name": "tom.becker"},
        {"actor": "1", "role": "admin", "is_staff": "on", "is_superuser": "on"},
        {"instance_id": "DE-mine", "cloud": "demo"},
    ],
)
def test_no_field_talks_a_stranger_in(
    client: Client, person: str, paths: Mapping[str, str], form: dict[str, str]
) -> None:
    for name in WRITES:
        assert client.post(paths[name], form).status_code == 403
    assert Edit.objects.count() == 1
    assert User.objects.get(username="stranger").role == "scientist"


@pytest.mark.parametrize("person", ["operator"], indirect=True)
def test_more_fields_than_the_form_has_change_nothing(
    client: Client, person: str, paths: Mapping[str, str]
) -> None:
    extra = {"owner": "x", "state": "applied", "patch": "{}", "actor": "1", "seq": "99"}
    form = {"description": "New words", "auto_stop_hours": "8", "prompt": "on"}
    form |= {"auto_stop_enable": "on", "spec[auto_stop][prompt]": "false"}
    client.post(paths["edits:edit"], form | extra)
    edit = Edit.objects.exclude(state="failed").get()
    assert (edit.patch, edit.state) == ({"description": "New words"}, "queued")
    assert edit.actor.username == "operator"


def test_the_pages_of_ones_own_account_show_nobody_anything(
    client: Client, db: None, paths: Mapping[str, str]
) -> None:
    for name in filter(is_own_account, paths):
        response = client.get(paths[name])
        assert response.status_code in {200, 302, 400, 401, 403, 404, 405}, name
        if response.status_code == 200:
            assert "Sign out" not in response.text
