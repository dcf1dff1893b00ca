from allauth.account.utils import get_next_redirect_url
from django.contrib.auth.decorators import login_not_required
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseRedirect,
)
from django.urls import reverse
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
    user = request.user
    if isinstance(user, User) and user.language != language:
        user.language = language
        user.save(update_fields=["language"])
    url = get_next_redirect_url(request) or reverse("home")
    response = HttpResponseRedirect(url, status=303)
    remember(response, language)
    return response
