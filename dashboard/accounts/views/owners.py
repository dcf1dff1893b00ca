"""The owners that belong to no account, for admins."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.http import require_http_methods

from dashboard.accounts import selectors
from dashboard.accounts.http import SignedInRequest, admins_only
from dashboard.accounts.models import User
from dashboard.accounts.services import set_cloud_users


@require_http_methods(["GET", "HEAD", "POST"])
@admins_only
def owners(request: SignedInRequest) -> HttpResponse:
    """List the owners that belong to nobody, or map those with a person to them.

    Each row sends ``owner`` and ``person``, a username or nothing.

    Returns:
        200; 303 after mapping; 422 if a person does not exist.
    """
    if request.method != "POST":
        return _page(request, {}, set())
    rows = zip(
        request.POST.getlist("owner"), request.POST.getlist("person"), strict=False
    )
    typed = {owner: name.strip() for owner, name in rows if name.strip()}
    people = {
        user.username: user for user in User.objects.filter(username__in=typed.values())
    }
    unknown = {owner for owner, name in typed.items() if name not in people}
    seen = {row.owner.identifier for row in selectors.unmapped_owners()}
    if unknown or not typed.keys() <= seen:
        return _page(request, typed, unknown, 422)
    with transaction.atomic():
        for name, user in people.items():
            mine = {owner for owner, person in typed.items() if person == name}
            set_cloud_users(
                user=user,
                cloud_users=user.cloud_identifiers | mine,
                actor=request.user,
            )
    sentence = ngettext(
        "%(number)s owner mapped.", "%(number)s owners mapped.", len(typed)
    )
    messages.success(request, sentence % {"number": len(typed)})
    return HttpResponseRedirect(reverse("people:owners"), status=303)


def _page(
    request: SignedInRequest,
    typed: dict[str, str],
    unknown: set[str],
    status: int = 200,
) -> HttpResponse:
    rows = []
    for row in selectors.unmapped_owners():
        name = row.owner.identifier
        suggestion = row.person.username if row.person and status == 200 else ""
        error = _("No account has this username.") if name in unknown else ""
        rows.append((row, typed.get(name, suggestion), error))
    context = {
        "current": "owners",
        "rows": rows,
        "suggested": sum(bool(row.person) for row, _name, _error in rows),
        "people": User.objects.filter(is_active=True).order_by("username"),
    }
    return render(request, "people/owners.html", context, status=status)
