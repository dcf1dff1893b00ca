"""What the mail about the last week says."""

from datetime import timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.digests import mails
from dashboard.digests.content import build
from dashboard.digests.models import Digest
from dashboard.digests.weeks import last_week, wants, zone_of
from dashboard.reminders.recipients import may_mail


@require_safe
def preview(request: SignedInRequest) -> HttpResponse:
    """Show the digest of the last week, in the language and time zone of the mail."""
    person, now = request.user, timezone.now()
    zone = zone_of(person)
    week = last_week(zone, now)
    language = mails.language_of(person)
    with translation.override(language), timezone.override(zone):
        content, text, body = build(person, week, now), "", ""
        if content:
            text, _html = mails.texts(content, person, language)
            # Links of a page need no host.
            body = render_to_string(
                "digests/_body.html", {"content": content, "site": ""}
            )
    upcoming = week if now < week.due_at else last_week(zone, now + timedelta(days=7))
    context = {
        "current": "settings",
        "content": content,
        "body": body,
        "text": text,
        "language": language,
        "is_on": wants(person),
        "can_mail": may_mail(person),
        "next_at": upcoming.due_at,
        "last": Digest.objects.filter(person=person).first(),
    }
    return render(request, "digests/preview.html", context)
