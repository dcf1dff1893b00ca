"""The page of a link in a mail that turns off the digest of one person.

Mail scanners follow links, so a GET only shows the page with a button, and a POST acts.
Mail programs send that POST themselves (RFC 8058): from elsewhere, without cookies. So
it needs no CSRF token: the address alone permits this one thing. Nobody has to
sign in.
"""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from dashboard.accounts.models import User
from dashboard.digests import links, services
from dashboard.reminders.links import LinkError
from dashboard.reminders.recipients import preferences_of

NOT_FOUND = 404
BROKEN = _("This link is incomplete. Copy the whole link, or sign in to turn it off.")


@login_not_required
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def turn_off(request: HttpRequest, off_token: str) -> HttpResponse:
    """Show a button (GET), then turn the digest off (POST), any number of times.

    Returns:
        200 with the page; 404 for a link that was not made here.
    """
    response = _turn_off(request, off_token)
    # The address must not reach other sites.
    response["Referrer-Policy"] = "no-referrer"
    return response


def _turn_off(request: HttpRequest, token: str) -> HttpResponse:
    try:
        person = User.objects.filter(pk=links.read(token), is_active=True).first()
    except LinkError:
        person = None
    if person is None:
        refusal = {"refusal": BROKEN}
        return render(request, "digests/off.html", refusal, status=NOT_FOUND)
    if request.method == "POST":
        services.turn_off(person=person)
    context = {"person": person, "is_off": not preferences_of(person).weekly_digest}
    return render(request, "digests/off.html", context)
