"""Stored messages about clouds and instances, those of the cloud client included."""

from django.utils.translation import gettext_lazy as _

from dashboard.modelarts.errors import ModelArtsError
from dashboard.modelarts.messages import Problem, ProblemText
from dashboard.web.stored_messages import Message, define

for _problem in Problem:
    # ``makemessages`` finds the texts in the module of the client.
    define(_problem.code, _(_problem.value))

UNKNOWN_ACTOR = define("instances.unknown_actor", _("unknown"))

# Why a cloud could not be read.
REFRESH_INTERRUPTED = define(
    "instances.refresh_interrupted", _("The last refresh was interrupted.")
)
REFRESH_TOOK_TOO_LONG = define(
    "instances.refresh_took_too_long",
    _("Reading this cloud took too long; Curfew continues where it stopped."),
)
GENERATION_LOST = define(
    "instances.generation_lost",
    _(
        "ModelArts no longer serves the API “%(generation)s” here. Its instances "
        "(%(count)s) are shown as last seen. If it was switched off, an operator sets "
        "%(key)s to “%(rest)s” in clouds.yaml; they are then marked as missing."
    ),
)
REFRESH_FAILED = define(
    "instances.refresh_failed",
    _(
        "This cloud could not be read because of an unexpected error in Curfew, which "
        "has been logged. Curfew tries again; tell your admin if the error persists."
    ),
)

FAILURE = define("instances.failure", _("ModelArts reports a failure."))

# What a generation of the API allows.
CHANGES_NEXT_RUN = define(
    "instances.changes_next_run",
    _(
        "Auto-stop changes count from the next start: the old API cannot move the end "
        "of this run."
    ),
)
CHANGES_THIS_RUN = define(
    "instances.changes_this_run",
    _("You can move the end of this run while it runs. Each start has its own length."),
)
NOT_EXTENDABLE = define(
    "instances.not_extendable",
    _("This run cannot be extended: the old API changes only the next run."),
)

# Why an action is not possible now.
NOT_RUNNING = define(
    "instances.not_running", _("Only a running instance can be extended.")
)
NO_LEASE = define(
    "instances.no_lease",
    _("This run has no auto-stop, so there is no end to move."),
)
DELETED = define("instances.deleted", _("The instance has been deleted."))
AUTO_STOP_FIXED = define(
    "instances.auto_stop_fixed",
    _("Auto-stop cannot be changed while the instance's status is “%(status)s”."),
)
ALREADY_RUNNING = define(
    "instances.already_running", _("The instance is already running.")
)
ALREADY_STOPPED = define(
    "instances.already_stopped", _("The instance is already stopped.")
)
NOT_STARTABLE = define(
    "instances.not_startable",
    _("An instance cannot be started while its status is “%(status)s”."),
)
NOT_STOPPABLE = define(
    "instances.not_stoppable",
    _("An instance cannot be stopped while its status is “%(status)s”."),
)
CLOUD_REMOVED = define(
    "instances.cloud_removed",
    _(
        "The cloud %(cloud)s is no longer configured in Curfew, so its instances "
        "cannot be changed."
    ),
)
NOT_LISTED = define(
    "instances.not_listed",
    _("The cloud %(cloud)s no longer lists this instance; it was probably deleted."),
)
UNUSABLE_ID = define(
    "instances.unusable_id",
    _(
        "ModelArts lists this instance under an ID that cannot be used, so Curfew "
        "cannot change it."
    ),
)

# Why a run ended, in the audit trail.
STOPPED_AT_ITS_END = define(
    "instances.stopped_at_its_end", _("Auto-stop time reached.")
)
STOPPED_WHEN_IDLE = define(
    "instances.stopped_when_idle", _("Stopped by ModelArts after nobody used it.")
)
STOPPED_ON_REQUEST = define("instances.stopped_on_request", _("Requested in Curfew."))
STOPPED_BY_SCHEDULE = define(
    "instances.stopped_by_schedule", _("Stopped by the schedule “%(schedule)s”.")
)
STOPPED_BY_POLICY = define(
    "instances.stopped_by_policy", _("Stopped by the policy “%(policy)s”.")
)
STOPPED_LATE = define(
    "instances.stopped_late",
    _("Requested in Curfew earlier, and applied late."),
)
STOPPED_AGAIN = define(
    "instances.stopped_again",
    _("Stopped again by Curfew because an earlier start was applied late."),
)
RESTARTED = define("instances.restarted", _("Restarted outside Curfew."))
RESTARTED_FOR_SETTING = define(
    "instances.restarted_for_setting",
    _("Restarted to apply a new auto-stop."),
)
FROZEN = define(
    "instances.frozen",
    _("The cloud has frozen the account or its resources."),
)
STOPPED_ELSEWHERE = define(
    "instances.stopped_elsewhere",
    _("Stopped outside Curfew, probably in the ModelArts console."),
)
BECAME_FAULTY = define("instances.became_faulty", _("ModelArts reports an error."))
BECAME_UNAVAILABLE = define(
    "instances.became_unavailable",
    _("ModelArts reports it as unavailable: a fault there, or a frozen account."),
)
DELETED_ELSEWHERE = define("instances.deleted_elsewhere", _("Deleted outside Curfew."))
VANISHED = define(
    "instances.vanished",
    _("No longer listed by ModelArts: deleted or not visible to Curfew."),
)


def message_of(error: ModelArtsError | ProblemText) -> Message:
    return Message(error.code, error.params)
