"""The form for a cloud, and the test of what was entered."""

from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from dashboard.accounts.http import SignedInRequest
from dashboard.livepoll.pages import not_modified, poller
from dashboard.modelarts.errors import ConfigurationError
from dashboard.setup import answers, known_clouds, new_cloud, services
from dashboard.setup.forms import CloudForm
from dashboard.setup.http import (
    INTERVAL_SECONDS,
    not_written,
    remember,
    started,
    where_allowed,
)

TEST, FORM = "setup_test", "setup_form"
"""Keys of the session."""


@require_http_methods(["GET", "HEAD", "POST"])
@where_allowed
@sensitive_post_parameters(*CloudForm.SECRETS)
def new(request: SignedInRequest) -> HttpResponse:
    """Show the form for a cloud, or have the cloud tested.

    Returns:
        200 with the form; 303 to the test; 404 where a clouds.yaml of the person's own
        is in use; 422 with the errors.
    """
    try:
        known = known_clouds.known_clouds()
    except ConfigurationError:
        return redirect("setup:clouds")
    if not known.is_ours:
        raise Http404
    form = CloudForm(
        request.POST if request.method == "POST" else None,
        taken=known.names,
        initial=request.session.get(FORM, {"name": "" if known.names else "cloud"}),
    )
    if form.is_bound and form.is_valid():
        name = form.cleaned_data["name"]
        # For the form after a test that fails.
        request.session[FORM] = form.shareable
        try:
            test_id = services.try_cloud(
                name=name, values=form.cleaned_data, actor=request.user
            )
        except ConfigurationError as error:
            form.add_error(None, error.sentence)
        except services.NotEnqueuedError:
            form.add_error(
                None,
                _("The workers of Curfew cannot be reached. Try again soon."),
            )
        except OSError as error:
            form.add_error(None, not_written(error))
        else:
            remember(request, TEST, test_id, [name])
            return HttpResponseRedirect(reverse("setup:test"), status=303)
    status = 422 if form.is_bound else 200
    return render(
        request, "setup/new.html", {"form": form, "known": known}, status=status
    )


@require_safe
@where_allowed
def test(request: SignedInRequest) -> HttpResponse:
    """Show the test of the cloud that was entered, and what is wrong with it.

    Returns:
        200 with the page; 302 to what the workers make of it once it is saved; 302 to
        the form if there is no test.
    """
    context = _test_context(request)
    if context is None:
        return redirect("setup:new")
    if context["is_saved"]:
        return redirect("setup:ready")
    return render(request, "setup/test.html", context)


@require_safe
@where_allowed
def test_changes(request: SignedInRequest) -> HttpResponse:
    """Fragment: the outcome of the test.

    Returns:
        200 with ``setup/test.html#changes``; 204 while it runs; for a cloud that works,
        ``HX-Redirect``.
    """
    context = _test_context(request)
    if context is None or context["is_saved"]:
        return HttpResponseClientRedirect(reverse("setup:test"))
    if context["poller"]:
        return not_modified()
    return render(request, "setup/test.html#changes", context)


def _test_context(request: SignedInRequest) -> dict[str, Any] | None:
    begun = started(request, TEST)
    if begun is None:
        return None
    (name,) = begun.names
    answer = answers.find(begun.key, [name]).get(name)
    is_waiting = answer is None and not begun.is_over
    if answer is None and begun.is_over:
        # No worker will: the credentials must not stay.
        new_cloud.remove_files(begun.key)
    if is_saved := bool(answer and not answer.problem):
        request.session.pop(FORM, None)
    return {
        "name": name,
        "answer": answer,
        "is_saved": is_saved,
        "poller": is_waiting
        and poller(
            request,
            reverse("setup:test_changes"),
            {},
            interval_seconds=INTERVAL_SECONDS,
        ),
    }
