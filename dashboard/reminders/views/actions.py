"""The page of a link in a mail: a GET asks for confirmation, a POST acts."""

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.http import require_http_methods

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_edit, can_see_fleet
from dashboard.edits import services as edits
from dashboard.edits.models import Edit
from dashboard.instances import availability, countdown
from dashboard.instances.models import Instance
from dashboard.reminders import links
from dashboard.reminders.action_forms import ACTION_FORMS, ActionForm, ExtendForm
from dashboard.reminders.models import Reminder
from dashboard.reminders.texts import action_of, subject_url

GONE, FORBIDDEN, CONFLICT, NOT_FOUND, UNPROCESSABLE = 410, 403, 409, 404, 422
EXPIRED = _("This link has expired. Links work for one day.")
BROKEN = _(
    "This link is incomplete. Copy the whole link, or open the instance instead."
)
OTHER_RECIPIENT = _(
    "This link was sent to someone else. Sign in as that person, or open the instance "
    "instead."
)
READ_ONLY = _(
    "You don't have permission to change this instance. Ask its owner or an operator."
)


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: SignedInRequest, token: str) -> HttpResponse:
    """Ask (GET), then extend, stop or start the run, or retry the edit (POST).

    Query parameters of a POST:
        ``until`` and ``seen`` to extend, ``hours`` to start; see ``forms``.

    Returns:
        200 with the question; 303 to the edit; 410 for an expired link or a deleted
        notification; 404 for a link that was not made here; 403 for someone else's
        link, or without permission; 409 when the instance's state does not allow it.
    """
    try:
        link = links.read(token)
    except links.ExpiredLinkError:
        return _refusal(request, EXPIRED, GONE)
    except links.LinkError:
        return _refusal(request, BROKEN, NOT_FOUND)
    if link.person_pk != request.user.pk or not can_see_fleet(request.user):
        return _refusal(request, OTHER_RECIPIENT, FORBIDDEN)
    reminders = Reminder.objects.select_related(
        "instance__cloud", "edit__instance__cloud"
    )
    reminder = reminders.filter(pk=link.reminder_pk, person=request.user).first()
    action = reminder and action_of(reminder, link.action)
    if reminder is None or reminder.instance is None or not action:
        return _refusal(
            request, gettext("The notification of this link was deleted."), GONE
        )
    if not can_edit(request.user, reminder.instance.owner):
        return _refusal(request, READ_ONLY, FORBIDDEN, reminder)
    if why_not := _why_not(action.name, reminder, reminder.instance):
        return _refusal(request, why_not, CONFLICT, reminder)
    form = ACTION_FORMS[action.name](
        request.POST if request.method == "POST" else None,
        instance=reminder.instance,
        reminder=reminder,
    )
    if isinstance(form, ExtendForm) and not form.options.presets:
        return _refusal(request, form.limit_text, CONFLICT, reminder)
    if form.is_bound and form.is_valid():
        return _do(request, form, reminder)
    context = {
        "reminder": reminder,
        "instance": reminder.instance,
        "action": action,
        "form": form,
        "this_run": countdown.this_run(reminder.instance, timezone.now()),
        "url": subject_url(reminder),
    }
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "reminders/act.html", context, status=status)


def _why_not(action: str, reminder: Reminder, instance: Instance) -> str:
    if action in {"stop", "extend"}:
        # The mail is about one run; the instance may have been started again since.
        if not _same_run(reminder, instance):
            return gettext("The run of this notification has ended.")
        if action == "stop":
            return str(availability.why_not_stoppable(instance))
        if why_not := availability.why_not_extendable(instance):
            return str(why_not)
        if instance.stops_at is None:
            return gettext("This run has no fixed end any more.")
        return ""
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


def _do(request: SignedInRequest, form: ActionForm, reminder: Reminder) -> HttpResponse:
    try:
        edit = form.submit(request.user)
    except PermissionDenied:
        return _refusal(request, READ_ONLY, FORBIDDEN, reminder)
    except (edits.RuleRefusedError, edits.EditClosedError) as error:
        return _refusal(request, str(error), CONFLICT, reminder)
    except edits.EditConflictError:
        reason = gettext("Someone else has changed this. Compare the values first.")
        return _refusal(request, reason, CONFLICT, reminder)
    return HttpResponseRedirect(edit.get_absolute_url(), status=303)


def _refusal(
    request: SignedInRequest,
    reason: str | Promise,
    status: int,
    reminder: Reminder | None = None,
) -> HttpResponse:
    url = subject_url(reminder) if reminder else ""
    context = {"reason": reason, "url": url}
    return render(request, "reminders/refusal.html", context, status=status)
