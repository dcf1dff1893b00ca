"""What a person may say about many instances: which ones, and what."""

from typing import ClassVar

from django import forms
from django.http import QueryDict
from django.utils import translation
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from dashboard.accounts.models import User
from dashboard.instances.clock import status_look
from dashboard.instances.filters import ListQuery
from dashboard.instances.models import Instance

from .batches import MOST, BatchError
from .forms import EditForm
from .hours import seconds_of
from .models import Edit, EditBatch
from .plans import BulkWish

_LONGEST_LIST = 16 * MOST

MANY = 25
"""Acting on more instances at once asks for their number to be typed."""


def selection(data: QueryDict, user: User) -> tuple[list[int], str]:
    """The instances that a posted list means, and in words where they come from.

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
            raise BatchError(
                gettext_noop("The selection cannot be read. Select once more.")
            )
        seen = Instance.objects.visible_to(user).filter(
            pk__in=map(int, said[: MOST + 1])
        )
        chosen = list(seen.values_list("pk", flat=True))
        return chosen, gettext_noop("Selected in the list")
    query = ListQuery(QueryDict(data.get("query", "")))
    if query.ignored:
        # Leaving a filter out, as the list does, would mean more instances than meant.
        raise BatchError(
            gettext_noop("The filter makes no sense, so nothing was selected by it.")
        )
    matching = query.apply(Instance.objects.visible_to(user))
    pks = list(matching.values_list("pk", flat=True)[: MOST + 1])
    # Where they come from is stored, and what is stored is English.
    with translation.override("en"):
        filters = ", ".join(filter_text(name, value) for name, value in query.narrowed)
    return pks, gettext_noop("All that match: %(filters)s") % {
        "filters": filters
    } if filters else gettext_noop("The whole fleet")


def number_fault(data: QueryDict, number: int) -> str:
    """Why a confirmation does not count, one sentence; empty when it does.

    Args:
        data: ``number``: how many instances, as typed; asked for if they are many.
        number: How many there are.
    """
    typed = data.get("number", "").strip()
    if number <= MANY or typed == str(number):
        return ""
    return gettext("Type %(number)s to confirm that you mean all of them.") % {
        "number": number
    }


_FILTERS = {
    "q": gettext_noop("search “%(value)s”"),
    "status": gettext_noop("status %(status)s"),
    "flavor": gettext_noop("flavor %(value)s"),
    "stops_from": gettext_noop("stops from %(value)s"),
    "stops_before": gettext_noop("stops before %(value)s"),
    "flavor_type": gettext_noop("flavor type %(value)s"),
    "owner": gettext_noop("owner %(value)s"),
    "cloud": gettext_noop("cloud %(value)s"),
    "workspace": gettext_noop("workspace %(value)s"),
}


_AUTO_STOP = {
    "on": gettext_noop("auto-stop set to on"),
    "off": gettext_noop("auto-stop set to off"),
    "due": gettext_noop("stopping within the hour"),
    "overdue": gettext_noop("overdue"),
    "never": gettext_noop("running without end"),
}


def filter_text(name: str, value: str) -> str:
    """A filter of the list in words, to be stored."""
    if name == "status":
        value = status_look(value).label
    elif name == "autostop":
        return _AUTO_STOP[value]
    text = _FILTERS[name]
    return text % {"value": value, "status": value}


class BulkForm(forms.Form):
    """What shall be done with all of them."""

    ACTIONS: ClassVar = (
        ("hours", gettext_lazy("Auto-stop on, with the same run time for all")),
        ("keep", gettext_lazy("Auto-stop on, with the run time each one has")),
        ("off", gettext_lazy("Auto-stop off")),
        ("start", gettext_lazy("Start")),
        ("stop", gettext_lazy("Stop")),
    )
    limits = EditForm.limits

    action = forms.ChoiceField(
        choices=ACTIONS,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Say what shall be done.")},
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

    def wish(self) -> BulkWish:
        """The wish of a valid form."""
        action = self.cleaned_data["action"]
        if action in {"start", "stop"}:
            return BulkWish(Edit.Kind(action), {})
        patch: dict[str, object] = {"auto_stop_enable": action != "off"}
        if action == "hours":
            patch["auto_stop_duration"] = self.cleaned_data["seconds"]
        return BulkWish(Edit.Kind.UPDATE, patch, keeps_hours=action == "keep")


def action_of(batch: EditBatch) -> str:
    """Which of ``BulkForm.ACTIONS`` a batch holds; empty when none is chosen yet."""
    if batch.kind != Edit.Kind.UPDATE:
        return batch.kind
    if not batch.patch.get("auto_stop_enable"):
        return "off"
    return "keep" if batch.keeps_hours else "hours"
