"""The page behind a link in a mail: it asks first, and acts only then."""

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit, can_see_fleet
from dashboard.edits import services as edits
from dashboard.edits.models import Edit
from dashboard.instances import availability, countdown
from dashboard.instances.models import Instance
from dashboard.reminders import links
from dashboard.reminders.models import Reminder
from dashboard.reminders.texts import ACTIONS, subject_url

GONE, FORBIDDEN, CONFLICT, NOT_FOUND = 410, 403, 409, 404
EXPIRED = gettext_lazy("This link has expired. Links work for one day.")
BROKEN = gettext_lazy(
    "This link is incomplete. Copy the whole link, or open the instance instead."
)
SOMEBODY_ELSES = gettext_lazy(
    "This link was sent to someone else. Sign in as that person, or open the instance "
    "instead."
)
LOOK_ONLY = gettext_lazy(
    "You don't have permission to change this instance. Ask its owner or an operator."
)


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: SignedInRequest, token: str) -> HttpResponse:
    """Ask (GET), and do it (POST): stop, start, or try an edit again.

    Returns:
        200 with the question; 303 to what became of it; 410 for a link that has run
        out, 404 for one that is none of ours; 403 for somebody else's, or without the
        right; 409 when the instance's state does not allow it.
    """
    try:
        link = links.read(token)
    except links.ExpiredLinkError:
        return _refusal(request, EXPIRED, GONE)
    except links.LinkError:
        return _refusal(request, BROKEN, NOT_FOUND)
    if link.person_pk != request.user.pk or not can_see_fleet(request.user):
        return _refusal(request, SOMEBODY_ELSES, FORBIDDEN)
    reminders = Reminder.objects.select_related(
        "instance__cloud", "edit__instance__cloud"
    )
    reminder = reminders.filter(pk=link.reminder_pk, person=request.user).first()
    action = reminder and ACTIONS.get(Reminder.Kind(reminder.kind))
    if reminder is None or reminder.instance is None or not action:
        return _refusal(
            request, gettext("The notification of this link was deleted."), GONE
        )
    if not can_edit(request.user, reminder.instance.owner):
        return _refusal(request, LOOK_ONLY, FORBIDDEN, reminder)
    if why_not := _why_not(action.name, reminder, reminder.instance):
        return _refusal(request, why_not, CONFLICT, reminder)
    if request.method == "POST":
        return _do(request, action.name, reminder, reminder.instance)
    context = {
        "reminder": reminder,
        "instance": reminder.instance,
        "action": action,
        "this_run": countdown.this_run(reminder.instance, timezone.now()),
        "url": subject_url(reminder),
    }
    return render(request, "reminders/act.html", context)


def _why_not(action: str, reminder: Reminder, instance: Instance) -> str:
    if action == "stop":
        # One that was started again since is another run than the mail spoke of.
        if not _same_run(reminder, instance):
            return gettext("The run of this notification has ended.")
        return str(availability.why_not_stoppable(instance))
    if action == "start":
        return str(availability.why_not_startable(instance))
    edit = reminder.edit
    if edit is None or edit.batch_id:
        return gettext("Retry a bulk change on its own page.")
    if edit.state not in {Edit.State.FAILED, Edit.State.CONFLICT}:
        return gettext("This change did not fail.")
    return ""


def _same_run(reminder: Reminder, instance: Instance) -> bool:
    started = instance.run_started_at
    return started is None or started <= reminder.created_at


def _do(
    request: SignedInRequest, action: str, reminder: Reminder, instance: Instance
) -> HttpResponse:
    try:
        if action == "retry":
            assert reminder.edit is not None  # noqa: S101 (see ``_why_not``)
            done = edits.retry_edit(edit=reminder.edit, actor=request.user)
        else:
            stops = action == "stop"
            done = edits.submit_power(
                instance=instance,
                actor=request.user,
                kind=Edit.Kind.STOP if stops else Edit.Kind.START,
                # Whoever sends it twice means it once.
                key=f"reminder:{reminder.pk}",
                once=True,
            )
    except PermissionDenied:
        return _refusal(request, LOOK_ONLY, FORBIDDEN, reminder)
    except (edits.RuleRefusedError, edits.EditClosedError) as error:
        return _refusal(request, str(error), CONFLICT, reminder)
    except edits.EditConflictError:
        reason = gettext("Someone else has changed this. Compare the values first.")
        return _refusal(request, reason, CONFLICT, reminder)
    return HttpResponseRedirect(done.get_absolute_url(), status=303)


def _refusal(
    request: SignedInRequest,
    reason: str | Promise,
    status: int,
    reminder: Reminder | None = None,
) -> HttpResponse:
    url = subject_url(reminder) if reminder else ""
    context = {"reason": reason, "url": url}
    return render(request, "reminders/refusal.html", context, status=status)
