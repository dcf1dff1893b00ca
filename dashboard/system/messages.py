"""What the checks have found, for the command ``doctor`` and the system page."""

from django.utils.translation import gettext, gettext_lazy as _, ngettext, ngettext_lazy

from dashboard.web.stored_messages import Message, define

# Settings.
SETTINGS_VALID = define("system.settings_valid", _("Settings are complete and valid."))
DEBUG_ON = define(
    "system.debug_on",
    _("CURFEW_DEBUG is on: error pages expose internals. Turn it off."),
)
DEBUG_REACHABLE = define(
    "system.debug_reachable",
    _(
        "CURFEW_DEBUG is on and others can reach this site: error pages would expose "
        "internals. Turn it off."
    ),
)
ANY_HOST = define(
    "system.any_host",
    _(
        "CURFEW_ALLOWED_HOSTS is *, so a client can choose the host name that this "
        "site uses in links. List the host names that people use."
    ),
)
BROKER_WITHOUT_PASSWORD = define(
    "system.broker_without_password",
    _(
        "CURFEW_REDIS_URL has no password, and its server is on another machine: "
        "anyone who can reach it could queue tasks. Set a password (requirepass) and "
        "write redis://:password@host:6379/0."
    ),
)
NO_TRUSTED_PROXY = define(
    "system.no_trusted_proxy",
    _(
        "HTTPS is required, but no proxy is trusted to report it: every request would "
        "be redirected in a loop. Set CURFEW_TRUSTED_PROXIES to the number of proxies "
        "in front, or CURFEW_HTTPS=false in a trusted network."
    ),
)

CRASHED = define(
    "system.crashed",
    _(
        "The check itself failed because of an error in Curfew, which has been logged. "
        "Look at the log of the workers."
    ),
)

# Database, broker, cache.
DATABASE_UNREACHABLE = define(
    "system.database_unreachable",
    _("Cannot connect to CURFEW_DATABASE_URL: %(reason)s."),
)
MIGRATIONS_PENDING = define(
    "system.migrations_pending",
    ngettext_lazy(
        "%(count)s migration is not applied. Run: %(manage)s migrate",
        "%(count)s migrations are not applied. Run: %(manage)s migrate",
        "count",
    ),
)
CLOCKS_APART = define(
    "system.clocks_apart",
    _(
        "Its clock and this machine's are %(seconds)s s apart. Have both follow the "
        "same time server."
    ),
)
DATABASE_READY = define(
    "system.database_ready",
    _("Connected to %(name)s; all migrations are applied."),
)
NO_SEARCH_INDEX = define(
    "system.no_search_index",
    _(
        "Search reads every row, because its index is missing. Have an administrator "
        "of the database run CREATE EXTENSION pg_trgm in it, then run: %(manage)s "
        "migrate"
    ),
)
BROKER_SILENT = define(
    "system.broker_silent",
    _("No response. Check CURFEW_REDIS_URL and the Redis server."),
)
BROKER_UNKNOWN = define(
    "system.broker_unknown",
    _("Connected. The server does not report its persistence settings."),
)
BROKER_EVICTS = define(
    "system.broker_evicts",
    _("Redis may evict queued tasks. Set maxmemory-policy noeviction."),
)
BROKER_FORGETS = define(
    "system.broker_forgets",
    _("Queued tasks are lost when Redis restarts. Set appendonly yes."),
)
BROKER_READY = define(
    "system.broker_ready", _("Connected; queued tasks are persistent.")
)
CACHE_UNUSABLE = define(
    "system.cache_unusable",
    _(
        "It cannot be used. It is the database after the broker's in CURFEW_REDIS_URL, "
        "on the same server."
    ),
)
CACHE_EVICTS = define(
    "system.cache_evicts",
    _("Stored values are evicted immediately. Check the memory limit."),
)
CACHE_WORKS = define("system.cache_works", _("Reads and writes work."))

# Workers, beat, mirror.
BROKER_AWAY = define("system.broker_away", _("Not checked: the broker is unavailable."))
CACHE_AWAY = define("system.cache_away", _("Not checked: the cache is unavailable."))
DATABASE_AWAY = define(
    "system.database_away", _("Not checked: the database is unavailable.")
)
WORKERS_READY = define(
    "system.workers_ready",
    ngettext_lazy(
        "%(count)s worker responding; every queue is served.",
        "%(count)s workers responding; every queue is served.",
        "count",
    ),
)
NO_WORKER = define(
    "system.no_worker",
    _("No worker answered within %(seconds)s s. Run: celery --app dashboard worker"),
)


def _unserved(queues: list[str]) -> str:
    return ngettext(
        "No worker serves the queue %(queues)s.",
        "No worker serves the queues %(queues)s.",
        len(queues),
    ) % {"queues": gettext(", ").join(queues)}


QUEUES_UNSERVED = define("system.queues_unserved", _unserved)
BEAT_NEVER = define(
    "system.beat_never",
    _("Beat has not run yet. Run: celery --app dashboard beat"),
)
BEAT_SILENT = define(
    "system.beat_silent",
    _("Beat has not run for %(seconds)s s. Run: celery --app dashboard beat"),
)
BEAT_RUNS = define("system.beat_runs", _("Beat last ran %(seconds)s s ago."))
BEAT_UNKNOWN = define(
    "system.beat_unknown",
    _("Not known: no worker does what beat starts. See “Workers”."),
)
BEAT_ALIVE = define(
    "system.beat_alive", _("Beat runs; due work is found every second.")
)
NO_CLOUD_SYNCED = define(
    "system.no_cloud_synced",
    _("No cloud synced yet. The workers start the first sync within seconds."),
)
CLOUDS_SYNCED = define(
    "system.clouds_synced", _("Every cloud is synced and up to date.")
)

# Mail.
NO_MAIL_SERVER = define(
    "system.no_mail_server",
    _("No mail server is configured. Curfew sends no email."),
)
MAIL_READY = define("system.mail_ready", _("Connected to the mail server over TLS."))
MAIL_IN_CLEAR = define(
    "system.mail_in_clear", _("Connected to the mail server without TLS.")
)

MAIL_ON_ITS_WAY = define("system.mail_on_its_way", _("Sending to %(address)s …"))
MAIL_SENT = define(
    "system.mail_sent",
    _(
        "The mail server accepted the test mail to %(address)s. If it does not arrive, "
        "look in the spam folder and in the mail server's log."
    ),
)
MAIL_NOT_SENT = define(
    "system.mail_not_sent", _("The test mail was not sent. %(reason)s")
)
MAIL_NOT_TAKEN_UP = define(
    "system.mail_not_taken_up",
    _("No worker has sent the test mail. Check the workers, then send it again."),
)

# Clouds.
GENERATION_NOT_SERVED = define(
    "system.generation_not_served", _("%(generation)s: not served")
)


def _held(generation: str, count: int, scope: str) -> str:
    # Translators: what a cloud holds, such as “notebooks: 3 instances (all)”.
    number = ngettext("%(count)s instance", "%(count)s instances", count)
    text = generation + gettext(": ") + number % {"count": count}
    if scope == "own":
        which = gettext("only the account's own: it lacks administrator rights")
    else:
        which = gettext("all")
    return text + gettext(" (%(text)s)") % {"text": which}


GENERATION_SERVED = define("system.generation_served", _held)


def _cloud_ready(generations: list[Message]) -> str:
    held = gettext("; ").join(map(str, generations))
    return str(_("Credentials are valid. %(held)s.")) % {"held": held}


CLOUD_READY = define("system.cloud_ready", _cloud_ready)
PASSWORD_EXPIRES = define(
    "system.password_expires", _("The password expires on %(day)s.")
)
PASSWORD_EXPIRES_SOON = define(
    "system.password_expires_soon",
    _(
        "The password expires on %(day)s. Change it in the cloud's console and in "
        "clouds.yaml or secure.yaml; a restart is not needed."
    ),
)
PROXY_UNUSED = define(
    "system.proxy_unused",
    _(
        "HTTPS_PROXY is set, but Curfew does not use it; set CURFEW_CLOUD_PROXY if "
        "clouds are reached through a proxy."
    ),
)

# The path from CURFEW_URL to the web server.
SITE_WITHOUT_URL = define(
    "system.site_without_url", _("Not checked: CURFEW_URL is not set.")
)
SITE_NOT_HERE = define(
    "system.site_not_here",
    _("Not checked: nothing answers at %(url)s on this machine."),
)
SITE_UNREACHABLE = define(
    "system.site_unreachable",
    _(
        "%(url)s cannot be reached from this machine: %(reason)s. If people can reach "
        "it, run the check where they are: %(manage)s doctor --only site"
    ),
)
SITE_READY = define(
    "system.site_ready",
    _("Forged client addresses are ignored; incomplete requests are ended."),
)
SITE_REDIRECTS = define(
    "system.site_redirects",
    _(
        "%(url)s redirects to %(location)s, in a loop. Configure the proxy to set "
        "X-Forwarded-Proto: https."
    ),
)
SITE_IS_ANOTHER = define(
    "system.site_is_another",
    _(
        "%(url)s answers with status %(status)s: it leads to something else, or to a "
        "Curfew with another release, clock or CURFEW_SECRET_KEY."
    ),
)
UNDERSCORES_PASS = define(
    "system.underscores_pass",
    _(
        "A proxy treats X_Forwarded_For as X-Forwarded-For, so clients can forge their "
        "address. Configure it to drop headers with an underscore."
    ),
)
NO_PROXY_REPORTS = define(
    "system.no_proxy_reports",
    _(
        "CURFEW_TRUSTED_PROXIES is %(proxies)s, but no proxy reports the client's "
        "address. Configure it to set X-Forwarded-For."
    ),
)
FEWER_PROXIES_REPORT = define(
    "system.fewer_proxies_report",
    _(
        "CURFEW_TRUSTED_PROXIES is %(proxies)s, but fewer proxies report the client's "
        "address, so clients can forge it. Lower it."
    ),
)
MORE_PROXIES_REPORT = define(
    "system.more_proxies_report",
    _(
        "CURFEW_TRUSTED_PROXIES is %(proxies)s, but %(hops)s proxies report the "
        "client's address, so all requests seem to come from the first. Raise it."
    ),
)
SLOW_REQUESTS_PASS = define(
    "system.slow_requests_pass",
    _(
        "An incomplete request is not ended within %(seconds)s s: a few of them would "
        "block the site. Configure the proxy to end them (docs/operations.md)."
    ),
)

# On the page only.
SEE_CLOUDS = define("system.see_clouds", _("See the clouds below."))
TRIES_AGAIN = define(
    "system.tries_again",
    _(
        "Curfew tries again every %(seconds)s s. Corrected credentials count without "
        "a restart."
    ),
)
CHECK_WORKERS = define(
    "system.check_workers",
    _("Check that beat runs and that a worker serves the queue refresh."),
)
CLOCK_AHEAD = define(
    "system.clock_ahead",
    _(
        "The cloud's clock is %(seconds)s s ahead of this machine's. Countdowns allow "
        "for it; have this machine follow a time server."
    ),
)
CLOCK_BEHIND = define(
    "system.clock_behind",
    _(
        "The cloud's clock is %(seconds)s s behind this machine's. Countdowns allow "
        "for it; have this machine follow a time server."
    ),
)
NOT_CHECKED_YET = define(
    "system.not_checked_yet",
    _("Not checked yet. A worker does so within a minute."),
)
OUT_OF_DATE = define(
    "system.out_of_date",
    _("No worker has checked this since; check the workers."),
)
