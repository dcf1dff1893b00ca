"""The text of a reminder by mail or webhook."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.template.defaultfilters import date
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.edits.outcome_text import sentence
from dashboard.instances.countdown import status_badge, whole_seconds
from dashboard.instances.durations import remaining_text
from dashboard.web.plain_text import one_line, without_links
from dashboard.web.templatetags.pages import zone_name

from . import headlines, links, texts
from .models import Reminder

Kind, Medium = Reminder.Kind, Reminder.Medium
_WITH_TIME = frozenset({Kind.POLICY, Kind.WARNING, Kind.SCHEDULE, Kind.QUESTION})
_FIVE_MINUTES = 300
MOST_LINES = 50
"""How many members of a list a message names."""

_LOOKALIKES = str.maketrans(
    "<>[]*~`",
    "()()\N{ASTERISK OPERATOR}\N{TILDE OPERATOR}\N{MODIFIER LETTER GRAVE ACCENT}",
)
"""Replacements for the characters with which chats format text."""


class Notification(NamedTuple):
    """The content of a message.

    Attributes:
        subject: One line.
        text: Plain text, several lines.
    """

    subject: str
    text: str


def escape_for_mail(text: str) -> str:
    """Return foreign text as one line in which mail programs find no link."""
    return without_links(one_line(text))


def escape_for_chat(text: str) -> str:
    """Return foreign text as one line without links, mentions or formatting."""
    return escape_for_mail(text).translate(_LOOKALIKES)


def write_notification(
    reminder: Reminder, *, zone: ZoneInfo, now: datetime
) -> Notification:
    """Return the notification in the active language.

    Args:
        reminder: With ``TEXT_RELATIONS``, its instance and its cloud.
        zone: For times.
    """
    if reminder.kind == Kind.TEST:
        text = _("Curfew sends notifications here. No action is needed.")
        return Notification(headlines.headline(reminder, ""), text)
    is_mail = reminder.medium == Medium.MAIL
    escape = escape_for_mail if is_mail else escape_for_chat
    instance = reminder.instance
    if instance is None:
        return _write_other(reminder, escape, zone=zone, now=now)
    name, local = escape(str(instance)), reminder.moment.astimezone(zone)
    subject = headlines.headline(reminder, name)
    if reminder.kind == Kind.STOP:
        subject = _("%(name)s stops at %(time)s (%(span)s)") % {
            "name": name,
            "time": f"{local:%H:%M}",
            "span": _remaining(whole_seconds(reminder.moment - now)),
        }
    elif reminder.kind in _WITH_TIME:
        subject = subject + _(", ") + f"{local:%H:%M}"
    owner = instance.owner_name or instance.owner_id or _("not known")
    details = [
        (_("Instance"), name),
        (_("Cloud"), escape(instance.cloud.name)),
        (_("Instance ID"), escape(instance.instance_id)),
        (_("Owner"), escape(owner)),
        (texts.moment_label(reminder), _when(reminder.moment, zone)),
        *texts.details(reminder, escape),
    ]
    if reminder.kind == Kind.STOP:
        details.append(texts.kept_text())
    elif reminder.kind == Kind.FAILURE:
        details.append((_("Status"), escape(status_badge(instance.status).label)))
    elif reminder.is_correction and reminder.edit:
        details.append((_("Why"), escape(sentence(reminder.edit))))
    elif reminder.kind == Kind.EDIT and reminder.edit and reminder.edit.message:
        details.append((_("Why"), escape(str(reminder.edit.message))))
    url = links.absolute(texts.subject_url(reminder))
    lines = [label + _(": ") + value for label, value in details]
    if reminder.is_escalated:
        lines.insert(0, texts.escalation_text())
    if why_not := texts.why_not_extend(reminder):
        lines.append(why_not)
    lines += ["", _("Open: %(url)s") % {"url": url}]
    if not is_mail and (path := texts.extend_url(reminder)):
        lines.append(_("Extend") + _(": ") + links.absolute(path))
    if is_mail and reminder.person_id:
        settings = links.absolute(reverse("reminders:settings"))
        lines += [
            *_action_lines(reminder, reminder.person_id),
            "",
            _("Notification settings: %(url)s") % {"url": settings},
        ]
    return Notification(subject, "\n".join(lines))


def _write_other(
    reminder: Reminder, escape: Callable[[str], str], *, zone: ZoneInfo, now: datetime
) -> Notification:
    """Return a list, or a notification that is about no instance."""
    members = reminder.current_members(now)
    if reminder.is_list:
        subject = escape(headlines.list_headline(reminder, members))
    else:
        subject = escape(headlines.headline(reminder, ""))
    lines = []
    for member in members[:MOST_LINES]:
        headline = headlines.headline(member, escape(str(member.instance or "")))
        if member.instance is None:
            headline = escape(headline)
        lines.append(f"- {headline}. {_line(member, zone)}")
    left = len(members) - MOST_LINES
    if left > 0:
        lines.append(_("- and %(number)s more") % {"number": left})
    if not members:
        lines = [
            _line(reminder, zone),
            *(
                label + _(": ") + value
                for label, value in texts.details(reminder, escape)
            ),
        ]
    if reminder.is_escalated:
        lines.insert(0, texts.escalation_text())
    url = links.absolute(texts.subject_url(reminder))
    lines += ["", _("Open: %(url)s") % {"url": url}]
    if reminder.person_id:
        settings = links.absolute(reverse("reminders:settings"))
        lines += ["", _("Notification settings: %(url)s") % {"url": settings}]
    return Notification(subject, "\n".join(lines))


def _line(reminder: Reminder, zone: ZoneInfo) -> str:
    return texts.moment_label(reminder) + _(": ") + _when(reminder.moment, zone)


def _when(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{date(local, _('D j M, H:i'))} {zone_name(local)}"


def _remaining(seconds: int) -> str:
    """Return the remaining time; below 5 min only a limit, since mail takes a while."""
    if seconds <= 0:
        return _("now")
    if seconds < _FIVE_MINUTES:
        return _("under 5 min")
    return remaining_text(seconds)


def answer_links(
    question_pk: int, person_pk: int
) -> list[tuple[str, links.QuestionLink]]:
    """Return the answers to a question, each with its link for one person."""
    return [
        (label, links.QuestionLink(person_pk, question_pk, answer))
        for answer, label in (("yes", _("Yes, still needed")), ("stop", _("Stop it")))
    ]


def _action_lines(reminder: Reminder, person_pk: int) -> list[str]:
    if reminder.question_id:
        return [
            *(
                label + _(": ") + links.absolute(links.answer_path(link))
                for label, link in answer_links(reminder.question_id, person_pk)
            ),
            _("(asks for confirmation; works without signing in, until the deadline)"),
        ]
    if url := texts.exception_url(reminder):
        return [_("Request exception") + _(": ") + links.absolute(url)]
    lines = []
    for action in texts.actions(reminder):
        path = links.action_path(links.ActionLink(person_pk, reminder.pk, action.name))
        lines.append(action.label + _(": ") + links.absolute(path))
    if lines:
        lines.append(_("(asks for confirmation; works for you only, for one day)"))
    return lines
