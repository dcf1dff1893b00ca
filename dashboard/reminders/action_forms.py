"""What the page of a link asks about an action, and the edit that it leads to."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.accounts.models import User
from dashboard.edits import extension, services
from dashboard.edits.models import Edit
from dashboard.edits.run_forms import ExtensionForm, ExtensionOptions
from dashboard.edits.snapshot import LeaseSnapshot, SnapshotError
from dashboard.instances.models import Instance
from dashboard.web.stored_messages import sentences

from .models import Reminder

RUN_HOURS = (1, 2, 4, 8, 12, 24, 48, 72)


class ActionForm(forms.Form):
    """A confirmation, without any question."""

    def __init__(
        self, data: Any = None, *, instance: Instance, reminder: Reminder
    ) -> None:
        super().__init__(data)
        self.instance, self.reminder = instance, reminder

    def submit(self, actor: User) -> Edit:
        """Queue the edit; raises what ``edits.services`` raises."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """Names the edit: sending the form twice has the effect of once."""
        return f"reminder:{self.reminder.pk}"


class StopForm(ActionForm):
    def submit(self, actor: User) -> Edit:
        return services.submit_power(
            instance=self.instance,
            actor=actor,
            kind=Edit.Kind.STOP,
            key=self.key,
            once=True,
        )


class StartForm(ActionForm):
    """Asks for the run time, where each start has its own."""

    hours = forms.TypedChoiceField(label=_("Run time"), coerce=int)

    def __init__(self, data: Any = None, **context: Any) -> None:
        super().__init__(data, **context)
        if self.instance.capabilities.has_auto_stop_setting:
            del self.fields["hours"]
            return
        most = self.instance.cloud.max_run_hours
        field: Any = self.fields["hours"]
        field.choices = [
            (hours, gettext("%(hours)s h") % {"hours": hours})
            for hours in RUN_HOURS
            if hours <= most
        ]

    def submit(self, actor: User) -> Edit:
        patch = None
        if hours := self.cleaned_data.get("hours"):
            patch = {"auto_stop_enable": True, "auto_stop_duration": hours * 3600}
        return services.submit_power(
            instance=self.instance,
            actor=actor,
            kind=Edit.Kind.START,
            patch=patch,
            key=self.key,
            once=True,
        )


class RetryForm(ActionForm):
    def submit(self, actor: User) -> Edit:
        assert self.reminder.edit is not None  # noqa: S101 (the view has checked it)
        return services.retry_edit(edit=self.reminder.edit, actor=actor)


class ExtendForm(ActionForm):
    """Asks for the new end, among those that the options offer."""

    until = forms.CharField(max_length=64)
    seen = forms.CharField(max_length=1000, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, **context: Any) -> None:
        super().__init__(data, **context)
        self.now = timezone.now()
        self.options = ExtensionOptions(self.instance, self.now)
        snapshot = LeaseSnapshot.now(self.instance)
        self.initial["seen"] = snapshot.token(self.instance)

    @property
    def limit_text(self) -> str:
        """Why the run cannot end later than the options allow."""
        return str(sentences(*self.options.limits.reasons))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        try:
            snapshot = LeaseSnapshot.read(values.get("seen", ""), self.instance)
        except SnapshotError:
            raise forms.ValidationError(
                gettext("This page is too old. Choose again.")
            ) from None
        form = ExtensionForm(
            {"until": values.get("until", "")},
            instance=self.instance,
            snapshot=snapshot,
            now=self.now,
            patience=extension.PATIENCE,
        )
        if not form.is_valid():
            errors = [error for errors in form.errors.values() for error in errors]
            raise forms.ValidationError(errors)
        return values | {"patch": form.cleaned_data["patch"], "base": snapshot.base}

    def submit(self, actor: User) -> Edit:
        return services.submit_extension(
            instance=self.instance,
            actor=actor,
            patch=self.cleaned_data["patch"],
            base=self.cleaned_data["base"],
            key=f"{self.key}:{self.cleaned_data['until']}",
            once=True,
        )


ACTION_FORMS: dict[str, type[ActionForm]] = {
    "extend": ExtendForm,
    "stop": StopForm,
    "start": StartForm,
    "retry": RetryForm,
}
