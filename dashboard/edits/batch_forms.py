"""Forms of bulk changes: the selection, and the change."""

from datetime import datetime, timedelta
from typing import ClassVar

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.accounts.models import User
from dashboard.instances.filter_fields import MomentField
from dashboard.instances.filters import ListQuery
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import Message

from . import messages
from .batches import MAX_BATCH_SIZE, BatchError
from .forms import EditForm
from .hours import seconds_of
from .models import MAX_REASON, Edit, EditBatch
from .plans import BulkChange
from .run_forms import EVENING, parse_hours

_MAX_LIST_LENGTH = 16 * MAX_BATCH_SIZE


def selection(data: QueryDict, user: User) -> tuple[list[int], Message]:
    """Return the selected instances (``Instance.pk``), and where they were selected.

    Args:
        data: With ``scope=matching``: ``query``, the query of the list. Otherwise
            ``pick``, once for each instance, and ``picked``, several with commas.
        user: The person who selects; instances that they may not see are left out.

    Raises:
        BatchError: The selection is invalid.
    """
    if data.get("scope") != "matching":
        texts = [*data.getlist("pick"), *data.get("picked", "").split(",")]
        numbers = [text.strip() for text in texts if text.strip()]
        if sum(map(len, numbers)) > _MAX_LIST_LENGTH or not all(
            text.isascii() and text.isdigit() and len(text) < 19 for text in numbers
        ):
            raise BatchError(gettext("The selection cannot be read. Select again."))
        pks = map(int, numbers[: MAX_BATCH_SIZE + 1])
        picked = Instance.objects.visible_to(user).filter(pk__in=pks)
        return list(picked.values_list("pk", flat=True)), messages.SELECTED()
    query = ListQuery(QueryDict(data.get("query", "")))
    if query.ignored:
        # Ignoring a filter, as the list does, would select more instances.
        raise BatchError(
            gettext("The list has an unsupported filter, so nothing was selected.")
        )
    matching = query.apply(Instance.objects.visible_to(user), user=user)
    matching_pks = list(matching.values_list("pk", flat=True)[: MAX_BATCH_SIZE + 1])
    filters = [list(pair) for pair in query.narrowed]
    source = messages.FILTERED(filters=filters) if filters else messages.ALL_INSTANCES()
    return matching_pks, source


class BulkForm(forms.Form):
    ACTIONS: ClassVar = (
        ("hours", _("Turn auto-stop on, same run time for all")),
        ("keep", _("Turn auto-stop on, keep run times")),
        ("off", _("Turn auto-stop off")),
        ("extend", _("Extend each run by")),
        ("until", _("Extend each run until")),
        ("start", _("Start")),
        ("stop", _("Stop")),
    )
    limits = EditForm.limits

    action = forms.ChoiceField(
        choices=ACTIONS,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose an action.")},
    )
    auto_stop_hours = forms.CharField(required=False)
    extend_hours = forms.CharField(required=False, max_length=20)
    until = MomentField(required=False)
    start_hours = forms.CharField(required=False, max_length=20)
    reason = forms.CharField(required=False, max_length=MAX_REASON)
    warn_owners = forms.BooleanField(required=False)

    FIELDS: ClassVar = {
        "hours": "auto_stop_hours",
        "extend": "extend_hours",
        "until": "until",
        "start": "start_hours",
    }
    """The field that belongs to an action."""

    @classmethod
    def of(cls, batch: EditBatch) -> "BulkForm":
        """Return the form with the action of a draft."""
        patch, action = batch.patch, action_of(batch)
        hours = patch.get("auto_stop_duration", 0) / 3600
        until = patch.get("until")
        return cls(
            initial={
                "action": action,
                "auto_stop_hours": f"{hours:g}" if action == "hours" else "8",
                "extend_hours": f"{patch.get('hours', 2):g}",
                "until": datetime.fromisoformat(until) if until else _next_evening(),
                "start_hours": f"{hours:g}" if action == "start" and hours else "4",
                "reason": batch.reason,
                "warn_owners": batch.warns_owners,
            }
        )

    @property
    def until_typed(self) -> str:
        """The end as an input of local date and time needs it."""
        value = self["until"].value()
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%dT%H:%M")
        return str(value or "")

    def clean(self) -> dict[str, object]:
        data = super().clean() or {}
        action = data.get("action", "")
        field = self.FIELDS.get(action, "")
        if field in self.errors:
            return data
        try:
            if action == "hours":
                data["seconds"] = seconds_of(data.get(field, ""))
            elif action == "until" and not data.get(field):
                raise forms.ValidationError(gettext("Enter a date and a time."))
            elif action == "until" and data[field] <= timezone.now():
                raise forms.ValidationError(
                    gettext("This moment has passed. Choose a later one.")
                )
            elif action == "extend" or (action == "start" and data.get(field)):
                data["hours"] = parse_hours(data[field])
        except forms.ValidationError as error:
            self.add_error(field, error)
        return data

    def change(self) -> BulkChange:
        """Return the change of a valid form."""
        data = self.cleaned_data
        action = data["action"]
        if action == "extend":
            return BulkChange(Edit.Kind.EXTEND, {"hours": data["hours"]})
        if action == "until":
            until = data["until"].isoformat()
            return BulkChange(Edit.Kind.EXTEND, {"until": until})
        if action in {"start", "stop"}:
            run: dict[str, object] = {}
            if "hours" in data:
                seconds = round(data["hours"] * 3600)
                run = {"auto_stop_enable": True, "auto_stop_duration": seconds}
            if action == "start":
                return BulkChange(Edit.Kind.START, run)
            reason, warns = data["reason"], data["warn_owners"]
            return BulkChange(Edit.Kind.STOP, {}, reason=reason, warns_owners=warns)
        patch: dict[str, object] = {"auto_stop_enable": action != "off"}
        if action == "hours":
            patch["auto_stop_duration"] = data["seconds"]
        return BulkChange(Edit.Kind.UPDATE, patch, keeps_hours=action == "keep")


def _next_evening() -> datetime:
    """Return 18:00 of today or, less than two hours before, of tomorrow."""
    now = timezone.localtime()
    evening = now.replace(hour=EVENING, minute=0, second=0, microsecond=0)
    soon = now + timedelta(hours=2)
    return evening if soon <= evening else evening + timedelta(days=1)


def action_of(batch: EditBatch) -> str:
    """Return the action of a batch, of ``BulkForm.ACTIONS``; empty for none."""
    if batch.kind == Edit.Kind.EXTEND:
        return "until" if "until" in batch.patch else "extend"
    if batch.kind != Edit.Kind.UPDATE:
        return batch.kind
    if not batch.patch.get("auto_stop_enable"):
        return "off"
    return "keep" if batch.keeps_hours else "hours"
