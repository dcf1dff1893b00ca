"""Pages of people and their accounts, for admins.

The views of the forms redirect to the person with 303.
"""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext
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
from dashboard.accounts.http import SignedInRequest, admins_only
from dashboard.accounts.invitations import DAYS, may_be_invited, send_invitations
from dashboard.accounts.models import User
from dashboard.audit.labels import action_label
from dashboard.audit.models import AuditEvent

PER_PAGE = 50
HISTORY = 10


@require_safe
@admins_only
def people(request: SignedInRequest) -> HttpResponse:
    """List people; for the query parameter ``q``, see ``selectors.people``."""
    form = SearchForm(request.GET)
    q = form.cleaned_data["q"] if form.is_valid() else ""
    page = Paginator(selectors.people(q), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "current": "people",
        "q": q,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_ends=1),
    }
    return render(request, "people/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admins_only
def add(request: SignedInRequest) -> HttpResponse:
    """Show the form for a new account, or create the account.

    Returns:
        200 with the form; 200 with the one-time password, which no other page shows;
        303 to a person without one; 422 with the errors.
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
                return _one_time_password(request, person, is_new=True)
            message = _("%(person)s can sign in with single sign-on.")
            return _redirect(request, person, message % {"person": person})
    context = {"form": form, "owners": selectors.owners_seen()}
    status = 422 if request.method == "POST" else 200
    return render(request, "people/add.html", context, status=status)


@require_safe
@admins_only
def person(request: SignedInRequest, user_id: int) -> HttpResponse:
    return _page(request, _person(user_id))


@require_POST
@admins_only
def role(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Set the role; 422 for an invalid role or the last admin."""
    user = _person(user_id)
    form = RoleForm(request.POST)
    if form.is_valid():
        role = form.cleaned_data["role"]
        try:
            services.set_role(user=user, role=role, actor=request.user)
        except services.LastAdminError as error:
            form.add_error("role", str(error))
    if not form.is_valid():
        return _page(request, user, role_form=form)
    user.refresh_from_db()
    message = _("%(who)s now has the role %(role)s.")
    names = {"who": user, "role": user.get_role_display()}
    return _redirect(request, user, message % names)


@require_POST
@admins_only
def email(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Set the email address and the name; 422 for an invalid or taken address."""
    user = _person(user_id)
    form = EmailForm(request.POST)
    if form.is_valid():
        email, name = form.cleaned_data["email"], form.cleaned_data["name"]
        try:
            with transaction.atomic():
                services.set_email(user=user, email=email, actor=request.user)
                if "name" in request.POST:
                    services.set_name(user=user, name=name, actor=request.user)
        except ValidationError as error:
            form.add_error("email", error.messages)
    if not form.is_valid():
        return _page(request, user, email_form=form)
    return _redirect(request, user, _("Name and email address saved."))


@require_POST
@admins_only
def invite(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Mail an invitation; 409 if the person has no address or can sign in already.

    404 without a mail server.
    """
    if not settings.CURFEW.mail_url:
        raise Http404
    user = _person(user_id)
    if not may_be_invited(user):
        messages.error(request, _("Only people who cannot sign in yet are invited."))
        return _page(request, user, status=409)
    invited = send_invitations(users=[user], actor=request.user)
    if invited.problem:
        messages.error(
            request,
            _("Not invited: %(problem)s Try again later.")
            % {"problem": invited.problem},
        )
        return _page(request, user, status=409)
    return _redirect(request, user, _("Invitation sent to %(who)s.") % {"who": user})


@require_POST
@admins_only
def cloud_users(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Map ModelArts users; 422 for an invalid name."""
    user = _person(user_id)
    form = _cloud_users_form(user, request.POST)
    if not form.is_valid():
        return _page(request, user, cloud_users_form=form)
    services.set_cloud_users(user=user, cloud_users=form.chosen, actor=request.user)
    return _redirect(request, user, _("ModelArts users saved."))


@require_POST
@admins_only
def active(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Reactivate or deactivate the account, by ``active``: ``yes`` or ``no``.

    400 for another value; 409 for the last admin.
    """
    user = _person(user_id)
    active = request.POST.get("active")
    if active == "yes":
        services.reactivate(user=user, actor=request.user)
        message = _("%(who)s can sign in again.") % {"who": user}
        return _redirect(request, user, message)
    if active != "no":
        return _page(request, user, status=400)
    try:
        services.deactivate(user=user, actor=request.user)
    except services.LastAdminError as error:
        messages.error(request, str(error))
        return _page(request, user, status=409)
    return _redirect(request, user, _("%(who)s deactivated.") % {"who": user})


@require_POST
@admins_only
def password(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Show a new one-time password; ``end_tokens`` also revokes the API tokens."""
    end_tokens = "end_tokens" in request.POST
    return _one_time_password(request, _person(user_id), end_tokens=end_tokens)


@require_POST
@admins_only
def second_factor(request: SignedInRequest, user_id: int) -> HttpResponse:
    user = _person(user_id)
    services.reset_second_factor(user=user, actor=request.user)
    return _redirect(request, user, _("2FA reset for %(who)s.") % {"who": user})


@require_POST
@admins_only
def sessions(request: SignedInRequest, user_id: int) -> HttpResponse:
    user = _person(user_id)
    ended, tokens = services.end_sessions_and_tokens(user=user, actor=request.user)
    sentences = (
        ngettext("%(number)s session ended.", "%(number)s sessions ended.", ended)
        % {"number": ended},
        ngettext("%(number)s token revoked.", "%(number)s tokens revoked.", tokens)
        % {"number": tokens},
    )
    return _redirect(request, user, " ".join(sentences))


def _person(user_id: int) -> User:
    return get_object_or_404(selectors.people(), pk=user_id)


def _cloud_users_form(user: User, data: Any = None) -> CloudUsersForm:
    owners = selectors.owners_seen()
    return CloudUsersForm(data, owners=owners, mapped=user.cloud_identifiers)


def _page(
    request: SignedInRequest,
    user: User,
    *,
    status: int = 200,
    **invalid_form: forms.Form,
) -> HttpResponse:
    config = settings.CURFEW
    has_sso = user.socialaccount_set.exists()
    context = {
        "person": user,
        "role_form": RoleForm(initial={"role": user.role}),
        "cloud_users_form": _cloud_users_form(user),
        "email_form": EmailForm(
            initial={"email": user.email, "name": user.get_full_name()}
        ),
        "role_by_claims": has_sso and bool(config.oidc_roles),
        "cloud_users_by_claims": has_sso and bool(config.oidc_cloud_user_claim),
        "factors": user.authenticator_set.exclude(type="recovery_codes"),
        "sessions": user.usersession_set.count(),
        "may_invite": bool(config.mail_url) and may_be_invited(user),
        "invitation_days": DAYS,
        "history": [
            (action_label(event.action), event.actor_name, event)
            for event in AuditEvent.objects.filter(
                target_kind="user", target_id=str(user.pk)
            )[:HISTORY]
        ],
        **invalid_form,
    }
    if invalid_form:
        status = 422
    return render(request, "people/person.html", context, status=status)


def _one_time_password(
    request: SignedInRequest,
    user: User,
    *,
    end_tokens: bool = False,
    is_new: bool = False,
) -> HttpResponse:
    context = {
        "person": user,
        "password": services.give_one_time_password(
            user=user, actor=request.user, end_tokens=end_tokens
        ),
        "days": services.ONE_TIME_PASSWORD_LASTS.days,
        "is_new": is_new,
    }
    # A redirect would have to store the password.
    return render(request, "people/password.html", context)


def _redirect(request: SignedInRequest, user: User, message: str) -> HttpResponse:
    messages.success(request, message)
    url = reverse("people:person", args=[user.pk])
    return HttpResponseRedirect(url, status=303)
