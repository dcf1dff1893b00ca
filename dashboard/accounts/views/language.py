"""Setting the language, before and after the sign-in."""

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
    """Store the language in the account and, for the sign-in page, in a cookie.

    Form fields:
        language: A code of ``LANGUAGES``, or empty for that of the browser.
        next: URL on this site.

    Returns:
        303; 400 for an unsupported language.
    """
    language = request.POST.get("language", "")
    if language != AS_BROWSER and not is_spoken(language):
        return HttpResponseBadRequest()
    person: User | AnonymousUser = request.user
    if isinstance(person, User) and person.language != language:
        person.language = language
        person.save(update_fields=["language"])
    response = redirect(_way_back(request))
    response.status_code = 303
    remember(response, language)
    return response


def _way_back(request: HttpRequest) -> str:
    url = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        url, {request.get_host()}, require_https=request.is_secure()
    )
    return url if is_ours else "/"
