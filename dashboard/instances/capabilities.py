"""What each generation of the API allows. No other module tells generations apart.

Source: ``docs/modelarts-api.md``, A.5, B.5 and B.6.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.modelarts.generations import Generation
from dashboard.web.stored_messages import MessageCode

from . import messages


@dataclass(frozen=True)
class Capabilities:
    """What can be done with the instances of one generation, whatever their status.

    Attributes:
        label: The name of the generation on pages.
        fields: What a change of settings may contain, named as in ``Edit.patch``.
        has_auto_stop_setting: Whether auto-stop is a setting that counts from the next
            start. Otherwise each start has its own run time.
        has_lease: Whether a running instance has a lease that can be renewed.
        has_tags: Whether there are tags, where the cloud has them, too.
        may_refuse_while_running: Whether a change of settings may have to wait for the
            stop.
        lists_by_rights: Whether only an account with administrator rights lists
            everyone's instances (``Cloud.notebooks_scope``).
        opens_in_browser: Whether the cloud reports an address that a browser opens
            after a sign-in. That of the old API needs a token of its own (A.9).
        explanation: What is possible, and why not more, in one sentence.
        why_not_extendable: Why this run cannot be extended; None if it can.
    """

    generation: Generation
    label: Promise
    fields: tuple[str, ...]
    has_auto_stop_setting: bool
    has_lease: bool
    has_tags: bool
    may_refuse_while_running: bool
    lists_by_rights: bool
    opens_in_browser: bool
    explanation: MessageCode
    why_not_extendable: MessageCode | None = None


_DEMANAGER = Capabilities(
    Generation.DEMANAGER,
    _("Old API"),
    fields=(
        "description",
        "auto_stop_enable",
        "auto_stop_duration",
        "auto_stop_prompt",
    ),
    has_auto_stop_setting=True,
    has_lease=False,
    has_tags=False,
    may_refuse_while_running=False,
    lists_by_rights=False,
    opens_in_browser=False,
    explanation=messages.CHANGES_NEXT_RUN,
    why_not_extendable=messages.NOT_EXTENDABLE,
)
_BY_GENERATION: dict[str, Capabilities] = {
    Generation.DEMANAGER: _DEMANAGER,
    Generation.NOTEBOOKS: Capabilities(
        Generation.NOTEBOOKS,
        _("New API"),
        fields=("name", "description", "tags"),
        has_auto_stop_setting=False,
        has_lease=True,
        has_tags=True,
        may_refuse_while_running=True,
        lists_by_rights=True,
        opens_in_browser=True,
        explanation=messages.CHANGES_THIS_RUN,
    ),
}


WITH_LEASE = [known.generation for known in _BY_GENERATION.values() if known.has_lease]
"""The generations whose runs have a lease, for queries."""


WITHOUT_AUTO_STOP_SETTING = [
    known.generation
    for known in _BY_GENERATION.values()
    if not known.has_auto_stop_setting
]
"""The generations whose run time is given with each start, for queries."""


def capabilities_of(generation: str) -> Capabilities:
    """Return what a generation allows; an unknown one counts as the old one."""
    return _BY_GENERATION.get(generation, _DEMANAGER)
