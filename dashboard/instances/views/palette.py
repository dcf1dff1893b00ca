"""The command palette: instances, pages and actions by some words."""

from typing import NamedTuple

from django.db.models import Case, When
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.instances.filters import ListQuery
from dashboard.instances.models import Instance
from dashboard.instances.selectors import Row, rows, with_news

MAX_INSTANCES = 8
_SHORTEST_VERB = 2


class Verb(NamedTuple):
    """What a person may do with an instance.

    Attributes:
        right: The attribute of ``Row`` that says whether they may.
    """

    name: str
    label: Promise
    icon: str
    right: str


VERBS = (
    Verb("edit", _("Edit"), "pencil", "may_edit"),
    Verb("extend", _("Extend"), "alarm-clock-plus", "may_extend"),
    Verb("start", _("Start"), "play", "may_start"),
    Verb("stop", _("Stop"), "square", "may_stop"),
)


class Action(NamedTuple):
    """A form for one instance."""

    verb: Verb
    row: Row

    @property
    def url(self) -> str:
        instance = self.row.instance
        args = [instance.cloud.name, instance.instance_id]
        return reverse(f"edits:{self.verb.name}", args=args)


@require_safe
def palette(request: SignedInRequest) -> HttpResponse:
    """Return what the palette offers for ``q``, as a fragment.

    A text such as "stop train" finds the actions of the instances that "train" finds.
    """
    text = " ".join(request.GET.get("q", "").split())
    first, _space, rest = text.partition(" ")
    verbs = [verb for verb in VERBS if rest and _begins(verb, first.casefold())]
    actions = [
        Action(verb, row)
        for row in (_found(request, rest) if verbs else [])
        for verb in verbs
        if getattr(row, verb.right)
    ]
    context = {
        "text": text,
        "actions": actions[:MAX_INSTANCES],
        "rows": _found(request, text),
    }
    return render(request, "instances/palette.html", context)


def _begins(verb: Verb, word: str) -> bool:
    names = (verb.name, str(verb.label).casefold())
    return len(word) >= _SHORTEST_VERB and any(name.startswith(word) for name in names)


def _found(request: SignedInRequest, text: str) -> list[Row]:
    """Return the first instances that match as in the list, best names first."""
    data = QueryDict(mutable=True)
    data["q"] = text
    query = ListQuery.of(data)
    if "q" not in query.kept:  # empty or invalid
        return []
    visible = query.narrow(Instance.objects.visible_to(request.user), user=request.user)
    # Names come before matches in other fields.
    nearest = Case(
        When(name__istartswith=text, then=0),
        When(name__icontains=text, then=1),
        default=2,
    )
    first = visible.order_by(nearest, "-is_running", "name", "pk")[:MAX_INSTANCES]
    now = timezone.now()
    light = with_news(first, now).defer("document", "search_text")
    return rows(light, user=request.user, now=now)
