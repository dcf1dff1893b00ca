"""Settle a change in conflict, setting by setting."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from dashboard.accounts.http import SignedInRequest
from dashboard.edits import services
from dashboard.edits.forms import THEIRS
from dashboard.edits.selectors import edits_visible_to


@require_POST
def resolve(request: SignedInRequest, edit_id: UUID) -> HttpResponse:
    """Request the settings again for which the person keeps their own value.

    Form fields:
        ``choice_<field>``: ``theirs`` keeps the newer value; anything else, or none,
        requests the value of the edit. All ``theirs`` discards the edit.

    Returns:
        303 to the new edit, or to this one if it is discarded or, with a message,
        cannot be settled; 403 for an instance that is not theirs.
    """
    edit = get_object_or_404(edits_visible_to(request.user), pk=edit_id)
    mine = {name for name in edit.patch if request.POST.get(f"choice_{name}") != THEIRS}
    shown = edit
    try:
        shown = services.resolve_edit(edit=edit, actor=request.user, mine=mine)
    except (services.EditClosedError, services.RuleRefusedError) as error:
        messages.error(request, str(error))
    except services.EditConflictError:
        messages.error(
            request, gettext("The setting was just changed. Compare the values again.")
        )
    return HttpResponseRedirect(shown.get_absolute_url(), status=303)
