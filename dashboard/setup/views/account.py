"""The page of the setup link."""

from allauth.account.utils import perform_login
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.setup import links, private_files, services
from dashboard.setup.forms import AdminForm
from dashboard.web import limits

LINKS_PER_MINUTE = 20
"""Requests with setup links that one address may send."""


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password1", "password2")
def account(request: HttpRequest, setup_token: str) -> HttpResponse:
    """Show the form for the first admin, or create the account and sign in.

    Returns:
        200 with the form; 303 to the clouds; 422 with the errors; 410 for a link that
        has ended; 404 for one that was not made here; 429 for too many requests.
    """
    if not private_files.has_data_dir():
        raise Http404
    if not limits.allows("setup", request, LINKS_PER_MINUTE, people=1):
        return limits.refusal(request, "setup")
    form = AdminForm(request.POST or None)
    try:
        links.check_link(setup_token)
        if request.method == "POST" and form.is_valid():
            user = services.create_first_admin(
                token=setup_token,
                username=form.cleaned_data["username"],
                password=form.cleaned_data["password1"],
                language=form.cleaned_data["language"],
            )
            perform_login(request, user)
            return HttpResponseRedirect(reverse("setup:clouds"), status=303)
    except links.EndedLinkError:
        is_needed = {"is_needed": links.is_needed()}
        return render(request, "setup/link_ended.html", is_needed, status=410)
    except links.LinkError:
        raise Http404 from None
    except ValidationError as error:
        _add_errors(form, error)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "token": setup_token}
    return render(request, "setup/account.html", context, status=status)


def _add_errors(form: AdminForm, error: ValidationError) -> None:
    # The rules for passwords name no field.
    by_field = (
        error.message_dict
        if hasattr(error, "error_dict")
        else {"password1": error.messages}
    )
    for field, faults in by_field.items():
        form.add_error(field if field in form.fields else None, faults)
