"""How a person sees the list; ``dashboard.saved`` stores it."""

from collections.abc import Callable
from typing import NamedTuple

from django.db.models import Case, Expression, F, Value, When
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.accounts.models import User
from dashboard.web.provided import Provided

from .filters import MISSING
from .run_state import PRESENT

OPTIONAL: dict[str, Promise] = {
    "description": _("Description"),
    "tags": _("Tags"),
    "status": _("Status"),
    "owner": _("Owner"),
    "cloud": _("Cloud"),
    "workspace": _("Workspace"),
    "flavor": _("Flavor"),
    "price": _("Price per hour"),
    "generation": _("API"),
}
"""What a row may leave out. It always has the name and both clocks."""

GROUPS: dict[str, Promise] = {
    "owner": _("Owner"),
    "flavor": _("Flavor"),
    "workspace": _("Workspace"),
    "status": _("Status"),
}

GROUP_VALUES: dict[str, Expression | F] = {
    "owner": F("owner_name"),
    "flavor": F("flavor"),
    "workspace": F("workspace_id"),
    "status": Case(When(PRESENT, then=F("status")), default=Value(MISSING)),
}


class Display(NamedTuple):
    """How the list is drawn.

    Attributes:
        hidden: Keys of ``OPTIONAL``.
        is_compact: Whether rows are as low as possible.
        group: A key of ``GROUPS``; empty for one list.
    """

    hidden: frozenset[str] = frozenset({"generation", "price", "workspace"})
    is_compact: bool = False
    group: str = ""


DEFAULT = Display()

display_of: Provided[Callable[[User], Display]] = Provided()
"""``saved.selectors.display_of``, which ``dashboard.saved`` provides."""
