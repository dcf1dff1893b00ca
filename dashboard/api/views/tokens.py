from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.permissions import can_manage_people
from dashboard.api import selectors, services
from dashboard.api.forms import TokenForm
from dashboard.web.head import head_as_get

PER_PAGE = 50
MAX_OWN = 100
"""Live and ended tokens on a person's own page."""


@require_http_methods(["GET", "HEAD", "POST"])
@head_as_get
@reauthentication_required(allow_get=True)  # type: ignore[untyped-decorator]
def mine(request: SignedInRequest) -> HttpResponse:
    """Show a person's own tokens and the form for a new one.

    Returns:
        200 with the page; after a POST 200 with the new token, which is shown only now;
        302 when the password has to be confirmed first; 422 with the errors.
    """
    form = TokenForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            token, secret = services.create_token(
                owner=request.user,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                days=form.cleaned_data["days"],
            )
        except services.TokenError as error:
            form.add_error(None, str(error))
        else:
            # No redirect: it would have to store the token on the way.
            context = {"token": token, "secret": secret}
            return render(request, "tokens/made.html", context)
    context = {
        "form": form,
        "lines": [
            selectors.line(token, timezone.now())
            for token in selectors.tokens_of(request.user)[:MAX_OWN]
        ],
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "tokens/mine.html", context, status=status)


@require_safe
def all_tokens(request: SignedInRequest) -> HttpResponse:
    """List all tokens, newest first; 403 without the right to manage people."""
    if not can_manage_people(request.user):
        raise PermissionDenied(_("Only admins can view all tokens."))
    person = request.GET.get("person", "")
    # PostgreSQL rejects NUL in a parameter.
    tokens = selectors.tokens_by_person(person.replace("\0", ""))
    page = Paginator(tokens, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "person": person,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
        "kept": {"person": person} if person else {},
        "lines": [selectors.line(token, timezone.now()) for token in page],
    }
    return render(request, "tokens/all.html", context)


@require_POST
def revoke(request: SignedInRequest, token_id: int) -> HttpResponse:
    """Revoke one of the user's own tokens, or as an admin any token.

    Returns:
        303 to the page that lists it; 404 for a token of another person.
    """
    tokens = (
        selectors.tokens_by_person()
        if can_manage_people(request.user)
        else selectors.tokens_of(request.user)
    )
    token = get_object_or_404(tokens, pk=token_id)
    services.revoke_token(token=token, actor=request.user)
    messages.success(request, _("Token “%(name)s” revoked.") % {"name": token.name})
    is_own = token.owner_id == request.user.pk
    url = reverse("tokens:mine" if is_own else "tokens:all")
    return HttpResponseRedirect(url, status=303)
