"""A form refused since its sign-in has ended: what was typed can be sent again."""

import html
import re

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.edits.services import submit_power
from dashboard.instances.models import Instance
from dashboard.web.refusals import TOKEN_HEADER, USER_HEADER

HTMX = {"HX-Request": "true"}
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
TYPED = 'up & "humming"'


@pytest.fixture
def strict() -> Client:
    """A browser that must send the token of its form."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def form(instance: Instance) -> str:
    """Address of an edit form."""
    return reverse("edits:edit", args=[instance.cloud.name, instance.instance_id])


def test_signed_out_the_form_can_be_sent_again(client: Client, form: str) -> None:
    answer = client.post(form, {"description": TYPED, "csrfmiddlewaretoken": "x"})
    assert answer.status_code == 401
    assert "You have been signed out" in answer.text
    assert f'action="{form}"' in answer.text
    value = f'name="description" value="{html.escape(TYPED)}"'
    assert value in answer.text.replace("&#x27;", "'")
    assert 'target="_blank"' in answer.text


def test_signed_out_no_secret_is_handed_back(client: Client) -> None:
    url = reverse("people:add")
    answer = client.post(url, {"username": "nora", "password": "very secret"})
    assert answer.status_code == 302
    assert "very secret" not in answer.text


def test_signing_in_leads_to_the_page_of_a_form_not_to_what_takes_no_get(
    client: Client, instance: Instance, operator: User
) -> None:
    edit = submit_power(instance=instance, actor=operator, kind=Edit.Kind.STOP)
    url = reverse("edits:cancel", args=[edit.pk])
    referer = f"http://testserver{edit.get_absolute_url()}"
    answer = client.post(url, headers={"Referer": referer})
    assert answer.headers["Location"].endswith(f"?next={edit.get_absolute_url()}")


def test_htmx_is_answered_401_which_nobody_takes_for_saved(
    client: Client, form: str
) -> None:
    answer = client.post(form, {"description": TYPED}, headers=HTMX)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"].startswith(reverse("account_login"))


def test_an_old_token_is_renewed_for_a_script_of_ours(
    strict: Client, operator: User, form: str
) -> None:
    strict.force_login(operator)
    typed = {"description": TYPED, "csrfmiddlewaretoken": "old"}
    answer = strict.post(form, typed, headers=HTMX | OWN_PAGE)
    assert answer.status_code == 403
    assert answer.headers[USER_HEADER] == str(operator.pk)
    token = answer.headers[TOKEN_HEADER]
    again = typed | {"csrfmiddlewaretoken": token}
    assert strict.post(form, again, headers=HTMX | OWN_PAGE).status_code != 403


def test_an_old_token_of_a_plain_form_leads_to_a_button(
    strict: Client, operator: User, form: str
) -> None:
    strict.force_login(operator)
    typed = {"description": TYPED, "csrfmiddlewaretoken": "old"}
    answer = strict.post(form, typed, headers=OWN_PAGE)
    assert answer.status_code == 403
    assert html.escape(TYPED) in answer.text.replace("&#x27;", "'")
    match = re.search(
        r'<form method="post" action="[^"]*edit/">\s*<input[^>]*value="([^"]+)"',
        answer.text,
    )
    assert match
    again = typed | {"csrfmiddlewaretoken": match[1]}
    assert strict.post(form, again, headers=OWN_PAGE).status_code != 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_another_site_gets_neither_button_nor_token(
    strict: Client, operator: User, form: str, site: str | None
) -> None:
    strict.force_login(operator)
    headers = HTMX | ({"Sec-Fetch-Site": site} if site else {})
    answer = strict.post(form, {"description": TYPED}, headers=headers)
    assert answer.status_code == 403
    assert TOKEN_HEADER not in answer.headers
    assert "humming" not in answer.text


def test_the_failure_view_is_ours() -> None:
    assert settings.CSRF_FAILURE_VIEW == "dashboard.web.refusals.csrf_failure"
