"""Pages of people and their accounts, for admins."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.accounts import selectors, services
from dashboard.accounts.forms import (
    AddForm,
    CloudUsersForm,
    EmailForm,
    RoleForm,
    SearchForm,
)
from dashboard.accounts.http import SignedInRequest
from dashboard.accounts.models import User
from dashboard.accounts.permissions import can_manage_people
from dashboard.audit.labels import action_label
from dashboard.audit.models import AuditEvent

PER_PAGE = 50
HISTORY = 10

View = Callable[..., HttpResponse]


def admins_only(view: View) -> View:
    """Respond with 403 to users who may not manage people."""

    @wraps(view)
    def checked(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not can_manage_people(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return checked


@require_safe
@admins_only
def people(request: SignedInRequest) -> HttpResponse:
    """The list of people.

    Query parameters:
        q: See ``selectors.people``; ``page``.
    """
    form = SearchForm(request.GET)
    q = form.cleaned_data["q"] if form.is_valid() else ""
    page = Paginator(selectors.people(q), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "q": q,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
    }
    return render(request, "people/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admins_only
def add(request: SignedInRequest) -> HttpResponse:
    """The form for a new account, and its submission.

    Returns:
        200 with the form; 200 with the one-time password, which no other page shows;
        303 to a person without one; 422 with the form and its errors.
    """
    has_sso = bool(settings.CURFEW.oidc_issuer)
    form = AddForm(request.POST or None, has_sso=has_sso)
    if request.method == "POST" and form.is_valid():
        try:
            person = services.add_user(
                username=form.cleaned_data["username"],
                role=form.cleaned_data["role"],
                email=form.cleaned_data["email"],
                cloud_users=[form.cleaned_data["cloud_user"]],
                actor=request.user,
            )
        except ValidationError as error:
            for field, faults in error.message_dict.items():
                form.add_error(field if field in form.fields else None, faults)
        else:
            if form.wants_password:
                return _one_time_password(request, person)
            return _leave(
                request,
                person,
                gettext("%(person)s can sign in with single sign-on.")
                % {"person": person},
            )
    context = {"form": form, "owners": selectors.owners_seen()}
    status = 422 if request.method == "POST" else 200
    return render(request, "people/add.html", context, status=status)


@require_safe
@admins_only
def person(request: SignedInRequest, user_id: int) -> HttpResponse:
    """The page of an account; 404 for an unknown one."""
    return _page(request, _person(user_id))


@require_POST
@admins_only
def role(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Set the role: 303 to the person; 422 for an invalid role or the last admin."""
    user = _person(user_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _page(request, user, role_form=form)
    try:
        services.set_role(user=user, role=form.cleaned_data["role"], actor=request.user)
    except services.LastAdminError as error:
        form.add_error("role", str(error))
        return _page(request, user, role_form=form)
    user.refresh_from_db()
    return _leave(
        request,
        user,
        gettext("%(who)s now has the role %(role)s.")
        % {"who": user, "role": user.get_role_display()},
    )


@require_POST
@admins_only
def email(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Set the email address: 303 to the person; 422 for an invalid or taken one."""
    user = _person(user_id)
    form = EmailForm(request.POST)
    if form.is_valid():
        try:
            services.set_email(
                user=user, email=form.cleaned_data["email"], actor=request.user
            )
        except ValidationError as error:
            for sentence in error.messages:
                form.add_error("email", sentence)
    if not form.is_valid():
        return _page(request, user, email_form=form)
    return _leave(request, user, gettext("Email address saved."))


@require_POST
@admins_only
def cloud_users(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Map ModelArts users: 303 to the person; 422 for an invalid name."""
    user = _person(user_id)
    form = _cloud_users_form(user, request.POST)
    if not form.is_valid():
        return _page(request, user, cloud_users_form=form)
    services.set_cloud_users(user=user, cloud_users=form.chosen, actor=request.user)
    return _leave(request, user, gettext("ModelArts users saved."))


@require_POST
@admins_only
def active(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Reactivate or deactivate the account, by ``active`` (``yes`` or ``no``).

    Returns:
        303 to the person; 400 for another value; 409 for the last admin.
    """
    user = _person(user_id)
    active = request.POST.get("active")
    if active == "yes":
        services.reactivate(user=user, actor=request.user)
        return _leave(
            request, user, gettext("%(who)s can sign in again.") % {"who": user}
        )
    if active != "no":
        return _page(request, user, status=400)
    try:
        services.deactivate(user=user, actor=request.user)
    except services.LastAdminError as error:
        messages.error(request, str(error))
        return _page(request, user, status=409)
    return _leave(request, user, gettext("%(who)s deactivated.") % {"who": user})


@require_POST
@admins_only
def password(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Create a one-time password: 200 with the password, which no other page shows.

    ``end_tokens`` also revokes the person's API tokens.
    """
    end_tokens = "end_tokens" in request.POST
    return _one_time_password(request, _person(user_id), end_tokens=end_tokens)


@require_POST
@admins_only
def second_factor(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Reset two-factor authentication: 303 to the person."""
    user = _person(user_id)
    services.reset_second_factor(user=user, actor=request.user)
    return _leave(
        request,
        user,
        gettext("2FA reset for %(who)s.") % {"who": user},
    )


@require_POST
@admins_only
def sessions(request: SignedInRequest, user_id: int) -> HttpResponse:
    """End all sessions and tokens of the person: 303 to the person."""
    user = _person(user_id)
    ended, tokens = services.end_sessions_and_tokens(user=user, actor=request.user)
    sentences = (
        ngettext("%(number)s session ended.", "%(number)s sessions ended.", ended)
        % {"number": ended},
        ngettext("%(number)s token revoked.", "%(number)s tokens revoked.", tokens)
        % {"number": tokens},
    )
    return _leave(request, user, " ".join(sentences))


def _person(user_id: int) -> User:
    return get_object_or_404(selectors.people(), pk=user_id)


def _cloud_users_form(user: User, data: Any = None) -> CloudUsersForm:
    owners = selectors.owners_seen()
    return CloudUsersForm(data, owners=owners, mapped=user.cloud_identifiers)


def _page(
    request: SignedInRequest,
    user: User,
    *,
    role_form: RoleForm | None = None,
    cloud_users_form: CloudUsersForm | None = None,
    email_form: EmailForm | None = None,
    status: int = 200,
) -> HttpResponse:
    config = settings.CURFEW
    context = {
        "person": user,
        "role_form": role_form or RoleForm(initial={"role": user.role}),
        "cloud_users_form": cloud_users_form or _cloud_users_form(user),
        "email_form": email_form or EmailForm(initial={"email": user.email}),
        "role_by_claims": bool(config.oidc_roles) and user.socialaccount_set.exists(),
        "cloud_users_by_claims": bool(config.oidc_cloud_user_claim)
        and user.socialaccount_set.exists(),
        "factors": user.authenticator_set.exclude(type="recovery_codes"),
        "sessions": user.usersession_set.count(),
        "history": [
            (action_label(event.action), event.actor_name, event)
            for event in AuditEvent.objects.filter(
                target_kind="user", target_id=str(user.pk)
            )[:HISTORY]
        ],
    }
    if role_form or cloud_users_form or email_form:
        status = 422
    return render(request, "people/person.html", context, status=status)


def _one_time_password(
    request: SignedInRequest, user: User, *, end_tokens: bool = False
) -> HttpResponse:
    context = {
        "person": user,
        "password": services.give_one_time_password(
            user=user, actor=request.user, end_tokens=end_tokens
        ),
        "days": services.ONE_TIME_PASSWORD_LASTS.days,
    }
    # A redirect would have to store the password.
    return render(request, "people/password.html", context)


def _leave(request: SignedInRequest, user: User, message: str) -> HttpResponse:
    messages.success(request, message)
    url = reverse("people:person", args=[user.pk])
    return HttpResponseRedirect(url, status=303)
