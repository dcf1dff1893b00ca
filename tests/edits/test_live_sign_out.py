"""A session ends while a form holds text: in a real browser, nothing typed is lost."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, Route, expect

from dashboard.accounts import sessions
from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.handover import services
from dashboard.instances.models import Instance
from dashboard.saved.models import SavedView
from tests.conftest import PASSWORD

pytestmark = pytest.mark.browser

TYPED = "Three hours of words"


@pytest.fixture
def signed_in(
    page: Page, transactional_db: None, live_server: Any, operator: User
) -> Iterator[Page]:
    """Somebody who signed in through the form; the browser must not complain."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, live_server.url, operator)
    yield page
    assert complaints == []


def sign_in(page: Page, url: str, person: User) -> None:
    if "/accounts/login/" not in page.url:
        page.goto(f"{url}/accounts/login/")
    page.locator("[name=login]").fill(person.username)
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/accounts/login/" not in address)


@pytest.fixture
def form(signed_in: Page, live_server: Any, instance: Instance) -> Page:
    """The edit form, with words typed into it."""
    path = reverse("edits:edit", args=[instance.cloud.name, instance.instance_id])
    signed_in.goto(live_server.url + path)
    signed_in.fill("#id_description", TYPED)
    return signed_in


def in_another_tab(context: BrowserContext, url: str) -> None:
    tab = context.new_page()
    tab.goto(f"{url}/accounts/logout/")
    tab.locator("main").get_by_role("button", name="Sign out").click()
    tab.wait_for_url("**/accounts/login/**")
    tab.close()


def by_idle_time(context: BrowserContext, url: str) -> None:
    for row in Session.objects.all():
        store = SessionStore(row.session_key)
        store[sessions.ACTIVE_AT] = int(time.time()) - 24 * 3600
        store.save()


def by_an_admin(context: BrowserContext, url: str) -> None:
    for session in UserSession.objects.all():
        session.end()


ENDS = pytest.mark.parametrize("end", [in_another_tab, by_idle_time, by_an_admin])
End = Callable[[BrowserContext, str], None]


@ENDS
def test_the_text_stays_and_can_be_saved_after_signing_in_elsewhere(
    form: Page, context: BrowserContext, live_server: Any, operator: User, end: End
) -> None:
    end(context, live_server.url)
    form.click("#save-button")
    notice = form.locator("#form-notice")
    expect(notice).to_contain_text("You have been signed out.")
    expect(form.locator("#id_description")).to_have_value(TYPED)
    expect(form.locator("#save-button")).to_be_enabled()
    with context.expect_page() as opened:
        notice.get_by_role("link", name="Sign in in a new tab").click()
    sign_in(opened.value, live_server.url, operator)
    opened.value.close()
    # The token of the form is of the former sign-in; it is renewed in passing.
    form.click("#save-button")
    form.wait_for_url(lambda url: not url.endswith("/edit/"))
    assert Edit.objects.get().patch == {"description": TYPED}


@ENDS
def test_who_leaves_for_the_sign_in_finds_the_text_again(
    form: Page, context: BrowserContext, live_server: Any, operator: User, end: End
) -> None:
    end(context, live_server.url)
    form.click("#save-button")
    form.locator("#form-notice").get_by_role("link", name="Sign in here").click()
    form.wait_for_url("**/accounts/login/**")
    sign_in(form, live_server.url, operator)
    expect(form.locator("#id_description")).to_have_value(TYPED)
    expect(form.locator("#restored")).to_contain_text("changes are restored")
    form.click("#save-button")
    form.wait_for_url(lambda url: not url.endswith("/edit/"))
    assert Edit.objects.get().patch == {"description": TYPED}


def test_another_person_finds_nothing_and_saves_nothing_in_that_name(
    form: Page, context: BrowserContext, live_server: Any, admin: User
) -> None:
    in_another_tab(context, live_server.url)
    tab = context.new_page()
    sign_in(tab, live_server.url, admin)
    form.click("#save-button")
    notice = form.locator("#form-notice")
    expect(notice).to_contain_text("someone else is signed in here now")
    expect(form.locator("#id_description")).to_have_value(TYPED)
    assert not Edit.objects.exists()
    # Not even where the text was kept for its owner.
    form.on("dialog", lambda dialog: dialog.accept())
    form.reload()
    expect(form.locator("#id_description")).not_to_have_value(TYPED)
    kept = "() => Object.values(sessionStorage).join()"
    assert TYPED not in form.evaluate(kept)


@ENDS
def test_a_plain_form_gives_its_text_back_too(
    signed_in: Page,
    context: BrowserContext,
    live_server: Any,
    operator: User,
    end: End,
) -> None:
    page = signed_in
    page.goto(f"{live_server.url}/views/new/?q=gpu")
    page.get_by_label("Name").fill(TYPED)
    end(context, live_server.url)
    page.locator("main").get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="You have been signed out")).to_be_visible()
    page.get_by_role("link", name="Back to the form").click()
    page.wait_for_url("**/accounts/login/**")
    sign_in(page, live_server.url, operator)
    expect(page.get_by_label("Name")).to_have_value(TYPED)
    page.locator("main").get_by_role("button", name="Save").click()
    page.wait_for_url("**/instances/**")
    assert SavedView.objects.get().name == TYPED
    # Saved, it is kept no longer.
    page.goto(f"{live_server.url}/views/new/?q=gpu")
    expect(page.get_by_label("Name")).to_have_value("")


@ENDS
def test_a_handover_that_saves_itself_goes_on_after_signing_in_elsewhere(
    signed_in: Page,
    context: BrowserContext,
    live_server: Any,
    operator: User,
    end: End,
) -> None:
    draft = services.draft(actor=operator, since=timezone.now(), ahead_hours=8)
    page = signed_in
    page.goto(live_server.url + draft.get_absolute_url())
    end(context, live_server.url)
    page.fill("#id_summary", TYPED)
    notice = page.locator("#form-notice")
    expect(notice).to_contain_text("You have been signed out.")
    expect(page.locator("#id_summary")).to_have_value(TYPED)
    assert page.url.endswith(draft.get_absolute_url())
    with context.expect_page() as opened:
        notice.get_by_role("link", name="Sign in in a new tab").click()
    sign_in(opened.value, live_server.url, operator)
    opened.value.close()
    # Nobody has to press anything.
    expect(page.locator("#summary-state")).to_contain_text("Saved")
    expect(notice).to_have_text("")
    draft.refresh_from_db()
    assert draft.summary == TYPED


REFUSALS = {
    400: "could not read the form",
    403: "don't have permission",
    404: "no longer exists",
    413: "too long to send",
    429: "save again in 17 s",
    500: "something went wrong in Curfew",
    502: "temporarily unavailable",
    503: "save again in 17 s",
}


@pytest.mark.parametrize(("status", "words"), REFUSALS.items())
def test_each_refusal_has_a_sentence_of_its_own(
    form: Page, status: int, words: str
) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=status, headers={"Retry-After": "17"}, body="no")

    form.route("**/edit/", refuse)
    form.click("#save-button")
    notice = form.locator("#form-notice")
    expect(notice).to_contain_text("Not saved")
    expect(notice).to_contain_text(words)
    expect(form.locator("#id_description")).to_have_value(TYPED)
    form.unroute("**/edit/", refuse)
    form.click("#save-button")
    form.wait_for_url(lambda url: not url.endswith("/edit/"))
    assert Edit.objects.get().patch == {"description": TYPED}
