"""The mail of a digest: plain text, and the same as simple HTML."""

import email.policy
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.reminders.links import absolute

from . import links
from .content import Content, build
from .weeks import Week, zone_of

LONGEST_LINE = 900
"""Characters; RFC 5322 allows 998."""


class DigestMail(EmailMultiAlternatives):
    """A mail whose headers are not folded.

    Python would encode an address that is longer than its lines of 78 characters, and
    mail programs do not expect that in ``List-Unsubscribe``.
    """

    def message(self, *, policy: Any = email.policy.default) -> Any:
        return super().message(policy=policy.clone(max_line_length=LONGEST_LINE))


def write(person: User, week: Week, now: datetime) -> DigestMail | None:
    """Return the mail in the person's language and time zone; None if it is empty."""
    language = language_of(person)
    with translation.override(language), timezone.override(zone_of(person)):
        content = build(person, week, now)
        if content is None:
            return None
        text, html = texts(content, person, language)
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">")
    off = links.off_url(person)
    headers = {
        # Each attempt has the same ID, so that a mailbox recognizes a duplicate.
        "Message-ID": f"<digest-{person.pk}.{week.monday:%Y%m%d}@{host}>",
        "List-Unsubscribe": f"<{off}>",
    }
    if off.startswith("https:"):
        # RFC 8058: mail programs send a POST there, and nothing is asked.
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail = DigestMail(content.subject, text, to=[person.email], headers=headers)
    mail.attach_alternative(html, "text/html")
    return mail


def language_of(person: User) -> str:
    """Return the language of a person's mail; a worker knows of no browser."""
    return person.language or settings.LANGUAGE_CODE


def texts(content: Content, person: User, language: str) -> tuple[str, str]:
    """Return the plain text and the HTML, in the active language and time zone."""
    context = {
        "content": content,
        "person": person,
        "language": language,
        "site": absolute(""),
        "off_url": links.off_url(person),
        "settings_url": absolute(reverse("reminders:settings")),
    }
    text = render_to_string("digests/mail.txt", context).strip() + "\n"
    return text, render_to_string("digests/mail.html", context)
