"""Choosing the language of the pages, before and after the sign-in."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from dashboard.accounts.models import User
from dashboard.web.languages import AS_BROWSER, is_spoken, remember


@require_POST
@login_not_required
def language(request: HttpRequest) -> HttpResponse:
    """Keep the choice: with the account, and as a cookie for the sign-in page.

    Form fields:
        language: A code of ``LANGUAGES``, or empty for what the browser asks for.
        next: Address on this site to go back to.

    Returns:
        303; 400 for a language that is not spoken here.
    """
    chosen = request.POST.get("language", "")
    if chosen != AS_BROWSER and not is_spoken(chosen):
        return HttpResponseBadRequest()
    person: User | AnonymousUser = request.user
    if isinstance(person, User) and person.language != chosen:
        person.language = chosen
        person.save(update_fields=["language"])
    response = redirect(_way_back(request))
    response.status_code = 303
    remember(response, chosen)
    return response


def _way_back(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else "/"
