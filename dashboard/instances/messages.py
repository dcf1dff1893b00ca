"""Messages about clouds and instances that are stored, or that leave their request.

Those of the client are among them: ``message_of`` turns its error into a message.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from django.utils.translation import gettext_lazy

from dashboard.modelarts.messages import TEMPLATES
from dashboard.web.stored_messages import Message, define

for _code, _english in TEMPLATES.items():
    # Their texts are collected where they are written.
    define(_code, gettext_lazy(_english))

UNKNOWN_ACTOR = define("instances.unknown_actor", gettext_lazy("unknown"))

# Why a cloud could not be read.
REFRESH_INTERRUPTED = define(
    "instances.refresh_interrupted", gettext_lazy("The last refresh was interrupted.")
)
REFRESH_TOOK_TOO_LONG = define(
    "instances.refresh_took_too_long",
    gettext_lazy(
        "Reading this cloud took too long; Curfew continues where it stopped."
    ),
)
REFRESH_FAILED = define(
    "instances.refresh_failed",
    gettext_lazy(
        "This cloud could not be read because of an unexpected error in Curfew, which "
        "has been logged. Curfew tries again; tell your admin if the error persists."
    ),
)

FAILURE = define("instances.failure", gettext_lazy("ModelArts reports a failure."))

# Why something cannot be asked of an instance now.
DELETED = define("instances.deleted", gettext_lazy("The instance has been deleted."))
AUTO_STOP_FIXED = define(
    "instances.auto_stop_fixed",
    gettext_lazy("Auto-stop cannot be changed while its status is “%(status)s”."),
)
ALREADY_RUNNING = define(
    "instances.already_running", gettext_lazy("The instance is already running.")
)
ALREADY_STOPPED = define(
    "instances.already_stopped", gettext_lazy("The instance is already stopped.")
)
NOT_STARTABLE = define(
    "instances.not_startable",
    gettext_lazy("An instance cannot be started while its status is “%(status)s”."),
)
NOT_STOPPABLE = define(
    "instances.not_stoppable",
    gettext_lazy("An instance cannot be stopped while its status is “%(status)s”."),
)
CLOUD_REMOVED = define(
    "instances.cloud_removed",
    gettext_lazy(
        "The cloud %(cloud)s is no longer configured in Curfew, so its instances "
        "cannot be changed."
    ),
)
NOT_LISTED = define(
    "instances.not_listed",
    gettext_lazy(
        "The cloud %(cloud)s no longer lists this instance; most likely it was deleted "
        "there."
    ),
)
UNUSABLE_ID = define(
    "instances.unusable_id",
    gettext_lazy(
        "ModelArts lists this instance under an ID that cannot be used, so Curfew "
        "cannot change it."
    ),
)

# Why a run ended, in the audit trail.
STOPPED_AT_ITS_END = define(
    "instances.stopped_at_its_end", gettext_lazy("Auto-stop time reached.")
)
STOPPED_ON_REQUEST = define(
    "instances.stopped_on_request", gettext_lazy("Requested in Curfew.")
)
STOPPED_LATE = define(
    "instances.stopped_late",
    gettext_lazy("Requested in Curfew earlier, and applied late."),
)
STOPPED_AGAIN = define(
    "instances.stopped_again",
    gettext_lazy("Stopped again by Curfew because an earlier start was applied late."),
)
RESTARTED = define("instances.restarted", gettext_lazy("Restarted outside Curfew."))
RESTARTED_FOR_SETTING = define(
    "instances.restarted_for_setting",
    gettext_lazy("Restarted to apply a new auto-stop."),
)
FROZEN = define(
    "instances.frozen",
    gettext_lazy("The cloud has frozen the account or its resources."),
)
STOPPED_ELSEWHERE = define(
    "instances.stopped_elsewhere",
    gettext_lazy("Stopped outside Curfew, probably in the ModelArts console."),
)
BECAME_UNAVAILABLE = define(
    "instances.became_unavailable",
    gettext_lazy(
        "ModelArts reports it as unavailable: a fault there, or a frozen account."
    ),
)
DELETED_ELSEWHERE = define(
    "instances.deleted_elsewhere", gettext_lazy("Deleted outside Curfew.")
)
VANISHED = define(
    "instances.vanished",
    gettext_lazy("No longer listed by ModelArts: deleted or not visible to Curfew."),
)


class FromClient(Protocol):
    """An error or a text of the client."""

    @property
    def code(self) -> str:
        """A key of ``modelarts.messages.TEMPLATES``."""

    @property
    def params(self) -> Mapping[str, Any]:
        """The values of that message."""


def message_of(said: FromClient) -> Message:
    """What the client says to people, as a message of ours."""
    return Message(said.code, said.params)
