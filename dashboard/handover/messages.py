from django.utils.translation import gettext_lazy

from dashboard.web.stored_messages import define

# Names in the audit trail.
HANDOVER = define("handover.handover", gettext_lazy("Handover %(number)s"))
DRAFT = define("handover.draft", gettext_lazy("Draft %(number)s"))

# Before the time of a line.
STOPS = define("handover.stops", gettext_lazy("stops"))
WAS_DUE = define("handover.was_due", gettext_lazy("was due"))
SINCE = define("handover.since", gettext_lazy("since"))
DISCOVERED = define("handover.discovered", gettext_lazy("discovered"))
LAST_SYNCED = define("handover.last_synced", gettext_lazy("last synced"))

MISSING = define("handover.missing", gettext_lazy("Missing from the cloud"))
UNREADABLE = define(
    "handover.unreadable", gettext_lazy("some fields could not be read")
)
REQUEST = define("handover.request", gettext_lazy("“%(policy)s”: %(reason)s"))

NOT_CONFIGURED = define(
    "handover.not_configured",
    gettext_lazy("No longer configured. Its instances are not updated."),
)
INCOMPLETE = define(
    "handover.incomplete",
    gettext_lazy(
        "Incomplete: ModelArts counts %(counted)s instances, but listed %(listed)s."
    ),
)
NEVER_SYNCED = define("handover.never_synced", gettext_lazy("Never synced."))
SYNCED_RARELY = define(
    "handover.synced_rarely", gettext_lazy("Synced less often than it should be.")
)
CHANGES_PAUSED = define("handover.changes_paused", gettext_lazy("Changes are paused."))
