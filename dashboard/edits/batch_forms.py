"""What a person may say about many instances: which ones, and what."""

from typing import ClassVar

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

from dashboard.accounts.models import User
from dashboard.instances.filters import ListQuery
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import Message

from . import messages
from .batches import MOST, BatchError
from .forms import EditForm
from .hours import seconds_of
from .models import Edit, EditBatch
from .plans import BulkChange

_LONGEST_LIST = 16 * MOST

MANY = 25
"""Acting on more instances at once asks for their number to be typed."""


def selection(data: QueryDict, user: User) -> tuple[list[int], Message]:
    """The instances that a posted list means, and where they come from.

    Args:
        data: ``scope`` is ``matching`` for everything that ``query`` (the list's own)
            lists; else ``pick``, once for each, and ``picked``, many with commas.
        user: Who selects; what they may not see does not count.

    Raises:
        BatchError: It cannot be understood.
    """
    if data.get("scope") != "matching":
        texts = [*data.getlist("pick"), *data.get("picked", "").split(",")]
        said = [text.strip() for text in texts if text.strip()]
        if sum(map(len, said)) > _LONGEST_LIST or not all(
            text.isascii() and text.isdigit() and len(text) < 19 for text in said
        ):
            raise BatchError(gettext("The selection cannot be read. Select again."))
        seen = Instance.objects.visible_to(user).filter(
            pk__in=map(int, said[: MOST + 1])
        )
        chosen = list(seen.values_list("pk", flat=True))
        return chosen, messages.SELECTED()
    query = ListQuery(QueryDict(data.get("query", "")))
    if query.ignored:
        # Leaving a filter out, as the list does, would mean more instances than meant.
        raise BatchError(
            gettext("The list has an unsupported filter, so nothing was selected.")
        )
    matching = query.apply(Instance.objects.visible_to(user))
    pks = list(matching.values_list("pk", flat=True)[: MOST + 1])
    filters = [list(pair) for pair in query.narrowed]
    source = messages.FILTERED(filters=filters) if filters else messages.ALL_INSTANCES()
    return pks, source


def number_fault(data: QueryDict, number: int) -> str:
    """Why a confirmation does not count, one sentence; empty when it does.

    Args:
        data: ``number``: how many instances, as typed; asked for if they are many.
        number: How many there are.
    """
    typed = data.get("number", "").strip()
    if number <= MANY or typed == str(number):
        return ""
    return gettext("Type %(number)s to confirm.") % {"number": number}


class BulkForm(forms.Form):
    """What shall be done with all of them."""

    ACTIONS: ClassVar = (
        ("hours", gettext_lazy("Turn auto-stop on, same run time for all")),
        ("keep", gettext_lazy("Turn auto-stop on, keep run times")),
        ("off", gettext_lazy("Turn auto-stop off")),
        ("start", gettext_lazy("Start")),
        ("stop", gettext_lazy("Stop")),
    )
    limits = EditForm.limits

    action = forms.ChoiceField(
        choices=ACTIONS,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose an action.")},
    )
    auto_stop_hours = forms.CharField(required=False)

    @classmethod
    def of(cls, batch: EditBatch) -> "BulkForm":
        """The form as it stands for a draft."""
        seconds = batch.patch.get("auto_stop_duration")
        hours = f"{seconds / 3600:g}" if seconds else "8"
        return cls(initial={"action": action_of(batch), "auto_stop_hours": hours})

    def clean(self) -> dict[str, object]:
        """Hours count only where they are asked for."""
        data = super().clean() or {}
        if data.get("action") == "hours":
            try:
                data["seconds"] = seconds_of(data.get("auto_stop_hours", ""))
            except forms.ValidationError as error:
                self.add_error("auto_stop_hours", error)
        return data

    def wish(self) -> BulkChange:
        """The wish of a valid form."""
        action = self.cleaned_data["action"]
        if action in {"start", "stop"}:
            return BulkChange(Edit.Kind(action), {})
        patch: dict[str, object] = {"auto_stop_enable": action != "off"}
        if action == "hours":
            patch["auto_stop_duration"] = self.cleaned_data["seconds"]
        return BulkChange(Edit.Kind.UPDATE, patch, keeps_hours=action == "keep")


def action_of(batch: EditBatch) -> str:
    """Which of ``BulkForm.ACTIONS`` a batch holds; empty when none is chosen yet."""
    if batch.kind != Edit.Kind.UPDATE:
        return batch.kind
    if not batch.patch.get("auto_stop_enable"):
        return "off"
    return "keep" if batch.keeps_hours else "hours"
