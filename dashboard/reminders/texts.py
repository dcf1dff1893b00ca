"""What a reminder says, in words. Pure functions over rows that were read."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.template.defaultfilters import date
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext, gettext_lazy

from dashboard.edits.models import Edit
from dashboard.edits.outcome_text import sentence
from dashboard.instances.countdown import remaining_text, status_badge, whole_seconds
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.web.plain_text import one_line, without_links
from dashboard.web.templatetags.pages import zone_name

from . import links, policy_texts
from .models import Reminder

Kind, Medium = Reminder.Kind, Reminder.Medium
_FIVE_MINUTES = 300
_SIGNS = "<>[]*~`"
_LOOKALIKES = (
    "()()\N{ASTERISK OPERATOR}\N{TILDE OPERATOR}\N{MODIFIER LETTER GRAVE ACCENT}"
)
_TAMED = {ord(sign): other for sign, other in zip(_SIGNS, _LOOKALIKES, strict=True)}
"""Signs with which chats format text, and what is shown instead."""


class Action(NamedTuple):
    """What a person may want to do about it.

    Attributes:
        name: In links, such as ``stop``.
        label: On buttons.
    """

    name: str
    label: Promise
    icon: str


ACTIONS = {
    Kind.STOP: Action("stop", gettext_lazy("Stop now"), "square"),
    Kind.FAILURE: Action("start", gettext_lazy("Start again"), "play"),
    Kind.STOPPED: Action("start", gettext_lazy("Start again"), "play"),
    Kind.EDIT: Action("retry", gettext_lazy("Retry the change"), "rotate-ccw"),
}


_CORRECTED: dict[str, Promise] = {
    Edit.Outcome.APPLIED_LATE: gettext_lazy("A change to %(name)s was applied late"),
    Edit.Outcome.RESTORED: gettext_lazy(
        "A change to %(name)s was applied late and reverted"
    ),
    Edit.Outcome.OVERWRITTEN: gettext_lazy(
        "A change to %(name)s was overwritten by an older one"
    ),
}


class Notification(NamedTuple):
    """A notification by mail or webhook.

    Attributes:
        subject: One line.
        text: Plain text, several lines.
    """

    subject: str
    text: str


def for_mail(text: str) -> str:
    """Return somebody's text as one line in which mail programs find no link."""
    return without_links(one_line(text))


def escape_for_chat(text: str) -> str:
    """Such a line for a chat, where it neither calls people nor draws links."""
    return for_mail(text).translate(_TAMED)


def when(moment: datetime, zone: ZoneInfo) -> str:
    """As in ``Mon 23 Nov, 14:05 CET``."""
    local = moment.astimezone(zone)
    return f"{date(local, gettext('D j M, H:i'))} {zone_name(local)}"


def headline(reminder: Reminder, name: str) -> str:
    """What happened or will, without the moment."""
    if reminder.kind in policy_texts.KINDS:
        return policy_texts.headline(reminder, name)
    if reminder.kind == Kind.STOP:
        return gettext("%(name)s stops soon") % {"name": name}
    if reminder.kind == Kind.FAILURE:
        label = (
            status_badge(reminder.instance.status).label if reminder.instance else ""
        )
        return f"{name}: {label.lower() if get_language() == 'en' else label}"
    if reminder.corrects and reminder.edit:
        return str(_CORRECTED[reminder.edit.outcome] % {"name": name})
    if reminder.kind == Kind.EDIT:
        batch = reminder.edit and reminder.edit.batch_id
        if batch:
            return gettext("A bulk change failed in part")
        return gettext("A change of %(name)s failed") % {"name": name}
    return gettext("Test notification")


def notification(reminder: Reminder, *, zone: ZoneInfo, now: datetime) -> Notification:
    """The notification, for its recipient and medium.

    Args:
        reminder: Read with its instance, cloud and edit.
        zone: In which moments are told.
        now: The present moment.
    """
    if reminder.instance is None:
        text = gettext("Curfew sends notifications here. No action is needed.")
        return Notification(headline(reminder, ""), text)
    plain = for_mail if reminder.medium == Medium.MAIL else escape_for_chat
    instance = reminder.instance
    name = plain(str(instance))
    subject = headline(reminder, name)
    if reminder.kind == Kind.STOP:
        left = whole_seconds(reminder.moment - now)
        span = _remaining(left)
        subject = gettext("%(name)s stops at %(time)s (%(span)s)") % {
            "name": name,
            "time": f"{reminder.moment.astimezone(zone):%H:%M}",
            "span": span,
        }
    elif reminder.kind == Kind.POLICY:
        subject = f"{subject}, {reminder.moment.astimezone(zone):%H:%M}"
    facts = [
        (gettext("Instance"), name),
        (gettext("Cloud"), plain(instance.cloud.name)),
        (gettext("Instance id"), plain(instance.instance_id)),
        (
            gettext("Owner"),
            plain(instance.owner_name or instance.owner_id or gettext("not known")),
        ),
        (moment_label(reminder), when(reminder.moment, zone)),
        *_more(reminder, instance, plain),
    ]
    lines = [f"{label}: {value}" for label, value in facts]
    lines += [
        "",
        gettext("Open: %(url)s") % {"url": links.absolute(subject_url(reminder))},
    ]
    if reminder.medium == Medium.MAIL and reminder.person_id:
        settings = links.absolute(reverse("reminders:settings"))
        lines += [
            *_action_lines(reminder, reminder.person_id),
            "",
            gettext("Notification settings: %(url)s") % {"url": settings},
        ]
    return Notification(subject, "\n".join(lines))


def _remaining(seconds: int) -> str:
    """The time left, as true when the message is read a little later."""
    if seconds <= 0:
        return gettext("now")
    if seconds < _FIVE_MINUTES:
        return gettext("under 5 min")
    return remaining_text(seconds)


def action(reminder: Reminder) -> Action | None:
    """What may be done about it; None where nothing is offered."""
    return None if reminder.corrects else ACTIONS.get(Kind(reminder.kind))


def _action_lines(reminder: Reminder, person_pk: int) -> list[str]:
    if url := policy_texts.ask_url(reminder):
        return [f"{gettext('Request exception')}: {links.absolute(url)}"]
    act = action(reminder)
    if act is None:
        return []
    link = links.action_link(links.Act(person_pk, reminder.pk, act.name))
    return [
        f"{act.label}: {link}",
        gettext("(asks for confirmation; works for you only, for one day)"),
    ]


def moment_label(reminder: Reminder, *, is_over: bool = False) -> str:
    """What stands before its moment."""
    if is_over and reminder.kind in {Kind.STOP, Kind.POLICY}:
        return gettext("Was due")
    if reminder.corrects:
        return gettext("Corrected")
    return str(_LABELS[Kind(reminder.kind)])


def cancelled_text(reminder: Reminder, end: InstanceEvent | None, by: str) -> str:
    """Why what it says does not hold any more, one sentence.

    Args:
        reminder: One that is cancelled.
        end: How the run ended that it is about; None where that was not seen.
        by: Who asked for that end; empty when nobody here did.
    """
    if reminder.kind == Kind.STOP and end is not None:
        if by:
            return gettext("No longer due: stopped by %(by)s.") % {"by": by}
        return gettext("No longer due: it stopped earlier.")
    if reminder.edit and reminder.edit.state in _NO_LONGER_FAILED:
        return str(_NO_LONGER_FAILED[reminder.edit.state])
    return str(_CANCELLED.get(Kind(reminder.kind), ""))


_NO_LONGER_FAILED: dict[str, Promise] = {
    Edit.State.APPLIED: gettext_lazy("The change was applied late."),
    Edit.State.CANCELLED: gettext_lazy("The change was discarded."),
}
_CANCELLED = {
    Kind.STOP: gettext_lazy("No longer due: the stop was moved or removed."),
    Kind.FAILURE: gettext_lazy("The instance has recovered."),
    Kind.EDIT: gettext_lazy("The change was retried."),
    Kind.POLICY: gettext_lazy("The stop was cancelled, or the run has ended."),
    Kind.REQUEST: gettext_lazy("It was decided, or its last day has passed."),
}


def subject_url(reminder: Reminder) -> str:
    """The page about it."""
    if reminder.exception_id:
        return reverse("policies:exceptions")
    if reminder.edit:
        if reminder.edit.batch_id and not reminder.corrects:
            return reverse("edits:batch", args=[reminder.edit.batch_id])
        return reminder.edit.get_absolute_url()
    if reminder.instance:
        return reminder.instance.get_absolute_url()
    return reverse("reminders:inbox")


_LABELS = {
    Kind.STOP: gettext_lazy("Stops"),
    Kind.FAILURE: gettext_lazy("Failed"),
    Kind.EDIT: gettext_lazy("Failed"),
    Kind.POLICY: gettext_lazy("Will be stopped"),
    Kind.STOPPED: gettext_lazy("Stopped"),
    Kind.REQUEST: gettext_lazy("Requested"),
    Kind.ANSWER: gettext_lazy("Decided"),
    Kind.TEST: gettext_lazy("Sent"),
}


def _more(
    reminder: Reminder, instance: Instance, plain: Callable[[str], str]
) -> list[tuple[str, str]]:
    if reminder.kind == Kind.STOP:
        return [
            (
                gettext("Kept"),
                gettext("only the work directory; save anything else you need"),
            ),
        ]
    if reminder.kind in policy_texts.KINDS:
        return policy_texts.facts(reminder, plain)
    if reminder.kind == Kind.FAILURE:
        return [(gettext("Status"), plain(status_badge(instance.status).label))]
    edit: Edit | None = reminder.edit
    why = ""
    if edit is not None:
        why = sentence(edit) if reminder.corrects else str(edit.message)
    return [(gettext("Why"), plain(why))] if why else []
