from typing import ClassVar

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy

from dashboard.instances.filters import InstanceFilter
from dashboard.instances.models import Instance
from dashboard.livepoll.pages import PollForm


class DueForm(forms.Form):
    GROUPS: ClassVar = (
        ("owner", gettext_lazy("By owner")),
        ("flavor", gettext_lazy("By flavor")),
    )

    owner = forms.CharField(max_length=255, required=False)
    cloud = forms.CharField(max_length=255, required=False)
    group = forms.ChoiceField(choices=GROUPS, required=False)


class DuePollForm(PollForm):
    """What a poll adds to the page's query.

    Attributes:
        timeline: ``layout_hash`` of the timeline as drawn; empty when unknown.
    """

    timeline = forms.CharField(max_length=32, required=False)


class DueQuery:
    """The query of the page; invalid parameters are ignored.

    Attributes:
        owner: ModelArts user's name or id; empty for everyone.
        group: A key of ``DueForm.GROUPS``.
        ignored: Invalid parameters, such as ``group=colour``.
        kept: The others, for links from the page.
    """

    def __init__(self, data: QueryDict) -> None:
        form = DueForm(data)
        errors = form.errors
        self.owner: str = form.cleaned_data.get("owner") or ""
        self.cloud: str = form.cleaned_data.get("cloud") or ""
        self.group: str = form.cleaned_data.get("group") or DueForm.GROUPS[0][0]
        self.ignored = [f"{name}={data[name]}" for name in errors]
        self.kept = QueryDict(mutable=True)
        for name in form.fields:
            if name not in errors and (value := form.cleaned_data.get(name)):
                self.kept[name] = value

    @property
    def filters(self) -> dict[str, str]:
        """Return the filters of the page, named as in its query and the list's."""
        filters = {"owner": self.owner, "cloud": self.cloud}
        return {name: value for name, value in filters.items() if value}

    def apply(self, instances: QuerySet[Instance]) -> QuerySet[Instance]:
        queryset: QuerySet[Instance] = InstanceFilter(
            self.filters, queryset=instances
        ).qs
        return queryset
