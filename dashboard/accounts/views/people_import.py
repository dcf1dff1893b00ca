"""Import of people from a CSV file, for admins."""

import csv
import io

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.http import require_http_methods

from dashboard.accounts import people_csv, people_import, selectors
from dashboard.accounts.forms import ImportForm
from dashboard.accounts.http import SignedInRequest, admins_only
from dashboard.accounts.invitations import send_invitations
from dashboard.accounts.people_import import Plan
from dashboard.accounts.services import LastAdminError
from dashboard.web.csv_files import UnreadableError


@require_http_methods(["GET", "HEAD", "POST"])
@admins_only
def import_people(request: SignedInRequest) -> HttpResponse:
    """Show the form, the preview of an import, or import.

    ``?owners=1`` fills the form with the owners that belong to nobody. ``confirm`` is
    the fingerprint of the plan that the person has seen.

    Returns:
        200 with the form or the preview; 303 after the import; 409 with another preview
        if the plan has changed since; 422 with what is wrong with the file.
    """
    if request.method != "POST":
        text = _unmapped_owners() if request.GET.get("owners") else ""
        form = ImportForm(initial={"text": text, "invite": True})
        return _page(request, form)
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        plan = people_import.build_plan(form.cleaned_data["text"])
    except UnreadableError as error:
        form.add_error(None, str(error))
        return _page(request, form, status=422)
    confirmed = request.POST.get("confirm")
    if not confirmed:
        return _page(request, form, plan)
    if confirmed != plan.fingerprint:
        messages.error(
            request, _("People have changed since. Check the preview again.")
        )
        return _page(request, form, plan, status=409)
    try:
        added = people_import.run(plan, actor=request.user)
    except (ValidationError, LastAdminError) as error:
        messages.error(request, str(getattr(error, "messages", [error])[0]))
        return _page(request, form, plan, status=409)
    _say(request, plan)
    if form.cleaned_data["invite"] and settings.CURFEW.mail_url:
        invited = send_invitations(users=added, actor=request.user)
        _say_invited(request, len(invited.sent), str(invited.problem))
    return HttpResponseRedirect(reverse("people:list"), status=303)


def _unmapped_owners() -> str:
    """Return lines for the owners that belong to nobody and resemble no account."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(people_csv.COLUMNS)
    names = [
        row.owner.identifier for row in selectors.unmapped_owners() if not row.person
    ]
    writer.writerows(
        (name, "", "", "scientist", name, "")
        for name in names[: people_import.MAX_PEOPLE]
    )
    return text.getvalue()


def _say(request: SignedInRequest, plan: Plan) -> None:
    sentences = [
        ngettext("%(number)s person added.", "%(number)s people added.", plan.added)
        % {"number": plan.added},
        ngettext("%(number)s changed.", "%(number)s changed.", plan.changed)
        % {"number": plan.changed},
    ]
    if plan.skipped:
        skipped = ngettext(
            "%(number)s line skipped.", "%(number)s lines skipped.", plan.skipped
        )
        sentences.append(skipped % {"number": plan.skipped})
    messages.success(request, " ".join(sentences))


def _say_invited(request: SignedInRequest, sent: int, problem: str) -> None:
    if sent:
        sentence = ngettext(
            "%(number)s invitation sent.", "%(number)s invitations sent.", sent
        )
        messages.success(request, sentence % {"number": sent})
    if problem:
        messages.error(
            request,
            _("Not everyone was invited: %(problem)s Invite the others on their pages.")
            % {"problem": problem},
        )


def _page(
    request: SignedInRequest,
    form: ImportForm,
    plan: Plan | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "current": "people",
        "form": form,
        "plan": plan,
        "columns": people_csv.COLUMNS,
        "most": people_import.MAX_PEOPLE,
        "can_mail": bool(settings.CURFEW.mail_url),
    }
    return render(request, "people/import.html", context, status=status)
