"""The preview, the setting, and the link that turns a digest off."""

import email

import pytest
from django.core import mail, signing
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.digests import delivery, links, mails
from dashboard.digests.weeks import last_week, zone_of
from dashboard.reminders.models import Preferences
from tests.reminders.conftest import prefer

from .conftest import make_price, ran

PREVIEW, SETTINGS = "/costs/digest/", "/reminders/settings/"


def path_of(person: User) -> str:
    return links.off_url(person).removeprefix("http://localhost")


def words(html: str) -> str:
    return " ".join(strip_tags(html).split())


class TestPreview:
    @pytest.mark.parametrize("language", ["", "de", "zh-hans"])
    def test_it_shows_exactly_what_the_mail_says(
        self, client: Client, anna: User, language: str
    ) -> None:
        make_price()
        ran(0, name="churn <i>")
        ran(0, hour=20, hours=20)
        anna.language = language
        anna.save()
        client.force_login(anna)
        # A browser that prefers another language changes nothing.
        page = client.get(PREVIEW, headers={"Accept-Language": "de"}).text
        delivery.deliver(anna.pk)
        [sent] = mail.outbox
        text = page.partition('<pre class="digest-text">')[2].partition("</pre>")[0]
        for escaped, sign in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
            text = text.replace(escaped, sign)
        assert text == sent.body
        [alternative] = sent.alternatives
        of_mail = alternative.content.partition("</h1>")[2].partition("<hr>")[0]
        of_page = page.partition("</strong></p>")[2].partition("</article>")[0]
        assert words(of_page) == words(of_mail)

    def test_it_says_when_the_next_one_comes_and_how_the_last_one_went(
        self, client: Client, anna: User
    ) -> None:
        ran(0)
        client.force_login(anna)
        assert "anna@example.org" in words(client.get(PREVIEW).text)
        delivery.deliver(anna.pk)
        page = words(client.get(PREVIEW).text)
        assert "The last one was sent Mon 30 Nov, 08:00 CET." in page
        assert "Mon 7 Dec, 08:00 CET" in page
        prefer(anna, weekly_digest=False)
        assert "You have turned it off." in words(client.get(PREVIEW).text)

    def test_without_an_address_or_a_run_it_says_so(
        self, client: Client, viewer: User
    ) -> None:
        client.force_login(viewer)
        page = words(client.get(PREVIEW).text)
        assert "no email address" in page
        assert "there would be no mail" in page


class TestSetting:
    def test_the_settings_turn_it_off_and_on(self, client: Client, anna: User) -> None:
        client.force_login(anna)
        page = client.get(SETTINGS).text
        assert 'name="weekly_digest"' in page
        assert f'href="{PREVIEW}"' in page
        form = {"in_page": "on", "time_zone": "Europe/Berlin"}
        assert client.post(SETTINGS, form).status_code == 302
        assert not Preferences.objects.get().weekly_digest
        client.post(SETTINGS, form | {"weekly_digest": "on"})
        assert Preferences.objects.get().weekly_digest


class TestLink:
    def test_opening_it_only_shows_a_button(self, client: Client, anna: User) -> None:
        answer = client.get(path_of(anna))
        assert answer.status_code == 200
        assert "Turn off the weekly digest" in answer.text
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]
        assert not Preferences.objects.exists()

    def test_a_post_turns_it_off_without_sign_in_and_token(self, anna: User) -> None:
        strict = Client(enforce_csrf_checks=True)
        body = "List-Unsubscribe=One-Click"
        kind = "application/x-www-form-urlencoded"
        for _again in range(2):
            answer = strict.post(path_of(anna), body, content_type=kind)
            assert answer.status_code == 200
            assert "gets no weekly digest any more" in answer.text
        preferences = Preferences.objects.get()
        assert not preferences.weekly_digest
        assert preferences.time_zone == "Europe/Berlin"
        [event] = AuditEvent.objects.filter(action="reminder.settings_changed")
        assert event.actor_id == anna.pk
        assert "gets no weekly digest any more" in strict.get(path_of(anna)).text

    def test_it_keeps_the_other_settings(self, client: Client, anna: User) -> None:
        prefer(anna, by_mail=True, lead_times=[5], time_zone="Asia/Shanghai")
        client.post(path_of(anna))
        preferences = Preferences.objects.get()
        assert (preferences.by_mail, preferences.lead_times) == (True, [5])
        assert preferences.time_zone == "Asia/Shanghai"

    def test_it_is_about_one_person_whoever_opens_it(
        self, client: Client, anna: User, admin: User
    ) -> None:
        client.force_login(admin)
        client.post(path_of(anna))
        assert Preferences.objects.get().user == anna

    def test_what_was_not_made_here_or_for_something_else_is_refused(
        self, client: Client, anna: User
    ) -> None:
        foreign = signing.dumps(anna.pk, salt="curfew.reminders.answer")
        for token in (foreign, path_of(anna).split("/")[-2][:-1], "x"):
            path = f"{PREVIEW}off/{token}/"
            assert client.get(path).status_code == 404
            assert client.post(path).status_code == 404
        User.objects.update(is_active=False)
        assert client.post(path_of(anna)).status_code == 404
        assert not Preferences.objects.exists()

    def test_the_link_in_the_mail_works(self, client: Client, anna: User) -> None:
        ran(0)
        now = timezone.now()
        message = mails.write(anna, last_week(zone_of(anna), now), now)
        assert message
        header = email.message_from_bytes(message.message().as_bytes())
        url = header["List-Unsubscribe"].strip("<>")
        path = url.removeprefix("http://localhost")
        assert client.post(path).status_code == 200
        assert not Preferences.objects.get().weekly_digest
