"""Messages about readiness: in English for machines, translated for the system page."""

from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import define

DATABASE_SILENT = define("metrics.database_silent", _("The database does not answer."))
BROKER_SILENT = define("metrics.broker_silent", _("The broker does not answer."))
CLOUD_REMOVED = define(
    "metrics.cloud_removed",
    _(
        "%(cloud)s left the configuration at %(since)s; its instances are retired at "
        "%(retires_at)s. Add it to clouds.yaml again, or run %(manage)s cloud "
        "rename or retire."
    ),
)
WRONG_COUNT = define(
    "metrics.wrong_count",
    _(
        "The listing of %(cloud)s has been incomplete since %(since)s: it counts "
        "%(counted)s instances and lists %(listed)s."
    ),
)
PARTLY_READ = define(
    "metrics.partly_read",
    _("%(cloud)s is partly read: %(listed)s of %(counted)s instances so far."),
)
REFRESHES_FAIL = define(
    "metrics.refreshes_fail",
    _("Refreshes of %(cloud)s have failed since %(since)s."),
)
OWN_ONLY = define(
    "metrics.own_only",
    _(
        "%(cloud)s lists only the notebooks of Curfew's own account. To list "
        "everyone's, give the account administrator rights in ModelArts."
    ),
)
NEVER_READ = define(
    "metrics.never_read", _("%(cloud)s has never been read completely.")
)
MIRROR_OLD = define(
    "metrics.mirror_old", _("The mirror of %(cloud)s is %(seconds)s s old.")
)
NO_CLOUD_READ = define("metrics.no_cloud_read", _("No cloud connected yet."))
