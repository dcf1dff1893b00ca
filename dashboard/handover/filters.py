from typing import ClassVar

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from dashboard.instances.filters import ListForm, ListQuery
from dashboard.livepoll.pages import PollForm


class DueForm(forms.Form):
    GROUPS: ClassVar = (
        ("owner", _("By owner")),
        ("flavor", _("By flavor")),
    )

    group = forms.ChoiceField(choices=GROUPS, required=False)


class DuePollForm(PollForm):
    """What a poll adds to the page's query.

    Attributes:
        timeline: ``Timeline.layout`` of the open page; empty if unknown.
    """

    timeline = forms.CharField(max_length=32, required=False)


class DueQuery:
    """The query of the page: the filters of the list, and how the timeline is grouped.

    Attributes:
        instances: The filters; never a sort or a page.
        group: A key of ``DueForm.GROUPS``.
        ignored: Invalid parameters, such as ``group=color``.
        kept: The others, for links from the page.
    """

    def __init__(self, data: QueryDict) -> None:
        query = ListQuery.of(data)
        self.instances = query.without(*ListForm.base_fields)
        form = DueForm(data)
        errors = form.errors
        self.group: str = form.cleaned_data.get("group") or DueForm.GROUPS[0][0]
        self.ignored = query.ignored + [f"{name}={data[name]}" for name in errors]
        self.kept = self.instances.kept.copy()
        if form.cleaned_data.get("group"):
            self.kept["group"] = self.group

    @property
    def others(self) -> dict[str, list[str]]:
        """The valid parameters that are no filters."""
        group = self.kept.get("group", "")
        return {"group": [group]} if group else {}

    @property
    def filters(self) -> QueryDict:
        """The filters, as in the query of the list."""
        return self.instances.kept
